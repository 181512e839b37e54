#include "guest/complaints.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wlr/util/log.h>

#define SEC_NS UINT64_C(1000000000)

#define COMPLAINT_QUIET_NS (60 * SEC_NS)
#define COMPLAINT_BURST 8
#define COMPLAINT_REFILL_NS (10 * SEC_NS)

void oriel_complaints_init(
		struct oriel_complaints *complaints, const char *guest_name, uint64_t now_ns) {
	*complaints = (struct oriel_complaints){
		.guest_name = guest_name,
		.left = COMPLAINT_BURST,
		.refilled_ns = now_ns,
	};
}

static void complaints_refill(struct oriel_complaints *complaints, uint64_t now_ns) {
	uint64_t refills = (now_ns - complaints->refilled_ns) / COMPLAINT_REFILL_NS;
	if (refills > 0) {
		complaints->refilled_ns += refills * COMPLAINT_REFILL_NS;
		complaints->left = refills < COMPLAINT_BURST - complaints->left
				? complaints->left + (unsigned int)refills
				: COMPLAINT_BURST;
	}
}

/* A guest's words are not to steer who reads the log: control characters, those of UTF-8 too, go. */
static void clean(char *text) {
	for (unsigned char *byte = (unsigned char *)text; *byte != '\0'; byte++) {
		if (*byte < 0x20 || *byte == 0x7f || (*byte == 0xc2 && byte[1] < 0xa0)) {
			*byte = '?';
		}
	}
}

void oriel_complain(struct oriel_complaints *complaints, uint64_t now_ns, const char *format, ...) {
	char text[ORIEL_COMPLAINT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	clean(text);

	if (strcmp(text, complaints->last) == 0 && now_ns - complaints->last_ns < COMPLAINT_QUIET_NS) {
		complaints->last_ns = now_ns;
		return;
	}
	complaints_refill(complaints, now_ns);
	/* One that is held back is not remembered: if it stays, it is logged in the end. */
	if (complaints->left == 0) {
		complaints->held_back++;
		return;
	}
	complaints->left--;
	memcpy(complaints->last, text, sizeof(text));
	complaints->last_ns = now_ns;

	if (complaints->held_back > 0) {
		wlr_log(WLR_ERROR, "guest %s: %s (%u such lines held back)", complaints->guest_name,
				text, complaints->held_back);
		complaints->held_back = 0;
	} else {
		wlr_log(WLR_ERROR, "guest %s: %s", complaints->guest_name, text);
	}
}
