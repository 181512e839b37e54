#include "wait.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>

#include "syscall.h"

#define NS_PER_S INT64_C(1000000000)

int sb_wait_get_now(int64_t *ret_now_ns) {
	struct timespec now;
	int ret = sb_sys_now(&now);
	if (ret < 0) {
		return ret;
	}
	*ret_now_ns = (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
	return 0;
}

int sb_wait_get_deadline(int64_t timeout_ns, int64_t *ret_deadline_ns) {
	if (timeout_ns <= 0) {
		*ret_deadline_ns = timeout_ns < 0 ? INT64_MAX : 0;
		return 0;
	}
	int64_t now_ns;
	int ret = sb_wait_get_now(&now_ns);
	if (ret < 0) {
		return ret;
	}
	*ret_deadline_ns = timeout_ns < INT64_MAX - now_ns ? now_ns + timeout_ns : INT64_MAX;
	return 0;
}

/* Not for INT64_MAX, which is no time. */
static int wait_get_rest(int64_t deadline_ns, struct timespec *ret_rest) {
	int64_t rest_ns = 0;
	if (deadline_ns > 0) {
		int64_t now_ns;
		int ret = sb_wait_get_now(&now_ns);
		if (ret < 0) {
			return ret;
		}
		rest_ns = now_ns < deadline_ns ? deadline_ns - now_ns : 0;
	}
	*ret_rest = (struct timespec){
		.tv_sec = rest_ns / NS_PER_S,
		.tv_nsec = rest_ns % NS_PER_S,
	};
	return 0;
}

int sb_wait_fd(int fd, short events, int64_t deadline_ns) {
	if (fd < 0) {
		/* poll() would skip it, and wait for nothing. */
		return -EBADF;
	}

	struct pollfd pollfd = { .fd = fd, .events = events };
	int ret;
	do {
		if (deadline_ns == INT64_MAX) {
			ret = sb_sys_ppoll(&pollfd, 1, NULL);
		} else {
			struct timespec rest;
			ret = wait_get_rest(deadline_ns, &rest);
			if (ret < 0) {
				return ret;
			}
			ret = sb_sys_ppoll(&pollfd, 1, &rest);
		}
	} while (ret == -EINTR);
	if (ret < 0) {
		return ret;
	}
	if (ret == 0) {
		return -ETIME;
	}

	if ((pollfd.revents & POLLNVAL) != 0) {
		return -EBADF;
	}
	return pollfd.revents == events ? 0 : -EINVAL;
}
