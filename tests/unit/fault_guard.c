#include "guest/fault_guard.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A file that is cut off stands for a device's memory: SIGBUS comes of both. */

#define PAGES 4

static struct {
	size_t page_bytes;
	uint8_t *map;
	int memfd;
} context;

static sigjmp_buf escape;
static volatile sig_atomic_t handled;
static void *volatile handled_address;

static int setup(void **state) {
	context.page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	context.memfd = memfd_create("fault-guard", MFD_CLOEXEC);
	assert_true(context.memfd >= 0);
	assert_int_equal(ftruncate(context.memfd, (off_t)(PAGES * context.page_bytes)), 0);
	context.map = mmap(NULL, PAGES * context.page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			context.memfd, 0);
	assert_ptr_not_equal(context.map, MAP_FAILED);
	memset(context.map, 0x55, PAGES * context.page_bytes);
	handled = 0;
	return 0;
}

static int teardown(void **state) {
	munmap(context.map, PAGES * context.page_bytes);
	close(context.memfd);
	return 0;
}

static void begin(void) {
	oriel_fault_guard_begin(context.map, PAGES * context.page_bytes);
}

static uint8_t read_page(size_t page) {
	return *(volatile uint8_t *)&context.map[page * context.page_bytes];
}

static void cut_off(size_t pages) {
	assert_int_equal(ftruncate(context.memfd, (off_t)(pages * context.page_bytes)), 0);
}

/* The handler that was there before. */
static void handle_signal_info(int signal_number, siginfo_t *info, void *data) {
	handled++;
	handled_address = info->si_addr;
	siglongjmp(escape, 1);
}

static void handle_signal(int signal_number) {
	handled++;
	siglongjmp(escape, 1);
}

static void install(const struct sigaction *action, struct sigaction *ret_previous) {
	assert_int_equal(sigaction(SIGBUS, action, ret_previous), 0);
}

static void memory_that_stays_is_read_as_it_is(void **state) {
	for (int i = 0; i < 3; i++) {
		begin();
		assert_int_equal(read_page(0), 0x55);
		assert_int_equal(read_page(PAGES - 1), 0x55);
		assert_true(oriel_fault_guard_is_intact());
		assert_true(oriel_fault_guard_end());
	}
	assert_true(oriel_fault_guard_is_intact());
}

static void memory_that_ends_is_read_as_zeroes(void **state) {
	begin();
	assert_int_equal(read_page(1), 0x55);
	cut_off(1);
	assert_true(oriel_fault_guard_is_intact());
	assert_int_equal(read_page(2), 0);
	assert_false(oriel_fault_guard_is_intact());
	/* All of it: there is one fault at most. */
	assert_int_equal(read_page(0), 0);
	assert_int_equal(read_page(3), 0);
	assert_false(oriel_fault_guard_end());

	/* That is over with the guard. */
	assert_true(oriel_fault_guard_is_intact());
	assert_int_equal(read_page(2), 0);
	begin();
	assert_int_equal(read_page(2), 0);
	assert_true(oriel_fault_guard_end());
}

static void handler_before_is_there_again_afterwards(void **state) {
	struct sigaction action = { .sa_sigaction = handle_signal_info, .sa_flags = SA_SIGINFO };
	struct sigaction previous, now;
	install(&action, &previous);
	begin();
	cut_off(0);
	assert_int_equal(read_page(0), 0);
	assert_false(oriel_fault_guard_end());
	install(&previous, &now);
	assert_true(now.sa_sigaction == handle_signal_info);
	assert_int_equal(handled, 0);
}

/* As of a client's shared memory, which wlroots reads. */
static void fault_elsewhere_is_for_the_handler_before(void **state) {
	static const struct sigaction actions[] = {
		{ .sa_sigaction = handle_signal_info, .sa_flags = SA_SIGINFO },
		{ .sa_handler = handle_signal },
	};
	uint8_t *elsewhere = mmap(NULL, context.page_bytes, PROT_READ, MAP_SHARED, context.memfd,
			(off_t)(PAGES * context.page_bytes));
	assert_ptr_not_equal(elsewhere, MAP_FAILED);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		struct sigaction previous;
		install(&actions[i], &previous);
		begin();
		handled = 0;
		if (sigsetjmp(escape, 1) == 0) {
			(void)*(volatile uint8_t *)elsewhere;
			fail();
		}
		assert_int_equal(handled, 1);
		if (i == 0) {
			assert_ptr_equal(handled_address, elsewhere);
		}
		assert_int_equal(read_page(0), 0x55);
		assert_true(oriel_fault_guard_end());
		install(&previous, NULL);
	}
	munmap(elsewhere, context.page_bytes);
}

/* Beside the memory, by a byte. */
static void guard_ends_where_its_memory_ends(void **state) {
	struct sigaction action = { .sa_sigaction = handle_signal_info, .sa_flags = SA_SIGINFO };
	struct sigaction previous;
	install(&action, &previous);
	oriel_fault_guard_begin(context.map + context.page_bytes, context.page_bytes);
	cut_off(0);
	volatile size_t outside[] = { context.page_bytes - 1, 2 * context.page_bytes };
	for (volatile size_t i = 0; i < 2; i++) {
		if (sigsetjmp(escape, 1) == 0) {
			(void)*(volatile uint8_t *)&context.map[outside[i]];
			fail();
		}
	}
	assert_int_equal(handled, 2);
	assert_true(oriel_fault_guard_is_intact());
	assert_int_equal(read_page(1), 0);
	assert_false(oriel_fault_guard_end());
	install(&previous, NULL);
}

/* What a process dies of without a handler it dies of with a guard, too. */
static void dies_of(const struct sigaction *action, bool by_fault) {
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit no_core = { 0 };
		setrlimit(RLIMIT_CORE, &no_core);
		sigaction(SIGBUS, action, NULL);
		oriel_fault_guard_begin(context.map, context.page_bytes);
		if (by_fault) {
			if (ftruncate(context.memfd, 0) == 0) {
				read_page(1);
			}
		} else {
			raise(SIGBUS);
		}
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
}

static void fault_elsewhere_without_a_handler_is_deadly(void **state) {
	const struct sigaction actions[] = { { .sa_handler = SIG_DFL }, { .sa_handler = SIG_IGN } };
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		dies_of(&actions[i], true);
		assert_int_equal(ftruncate(context.memfd, (off_t)(PAGES * context.page_bytes)), 0);
	}
	/* Sent by somebody, it has no address, whatever stands in that place. */
	dies_of(&actions[0], false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(memory_that_stays_is_read_as_it_is),
		TEST(memory_that_ends_is_read_as_zeroes),
		TEST(handler_before_is_there_again_afterwards),
		TEST(fault_elsewhere_is_for_the_handler_before),
		TEST(guard_ends_where_its_memory_ends),
		TEST(fault_elsewhere_without_a_handler_is_deadly),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
