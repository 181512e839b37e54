/*
 * What a program outside of the tree does with libsyncbridge: it is built with nothing but
 * `pkg-config --cflags --libs syncbridge`.
 *
 * A dma-buf goes through the hands of a writer, of this program, which reads it, and of a second
 * writer. It waits for what it depends on and for nothing else, and the second writer waits for it.
 * Needs Linux 6.0 with udmabuf and, to make fences that signal by hand, sw_sync; so, root.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <syncbridge/buffer.h>
#include <syncbridge/caps.h>
#include <syncbridge/fence.h>
#include <syncbridge/fence_set.h>
#include <syncbridge/stats.h>

/* Not in any uapi header: drivers/dma-buf/sw_sync.c. */
struct sw_sync_create_fence_data {
	uint32_t value;
	char name[32];
	int32_t fence;
};
#define SW_SYNC_IOC_CREATE_FENCE _IOWR('W', 0, struct sw_sync_create_fence_data)
#define SW_SYNC_IOC_INC _IOW('W', 1, uint32_t)

/* Ends the program if what is expected does not come, and says where. */
#define expect(actual, expected) expect_at(__LINE__, #actual, (actual), (expected))

static void expect_at(int line, const char *what, long long actual, long long expected) {
	if (actual != expected) {
		fprintf(stderr, "round_trip.c:%d: %s is %lld, not %lld\n", line, what, actual,
				expected);
		exit(1);
	}
}

static int check_fd(int fd, const char *what) {
	if (fd < 0) {
		perror(what);
		exit(1);
	}
	return fd;
}

static int make_dmabuf(void) {
	int memfd = check_fd(memfd_create("round-trip", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd");
	check_fd(ftruncate(memfd, sysconf(_SC_PAGESIZE)), "ftruncate");
	check_fd(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), "seal");
	int udmabuf_fd = check_fd(open("/dev/udmabuf", O_RDWR | O_CLOEXEC), "/dev/udmabuf");
	struct udmabuf_create request = {
		.memfd = (uint32_t)memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = (uint64_t)sysconf(_SC_PAGESIZE),
	};
	int dmabuf_fd = check_fd(ioctl(udmabuf_fd, UDMABUF_CREATE, &request), "UDMABUF_CREATE");
	close(udmabuf_fd);
	close(memfd);
	return dmabuf_fd;
}

/* Work that has been submitted, and ends when work_end() is called. */
struct work {
	int timeline_fd;
	struct sb_fence end;
};

static void work_begin(struct work *work) {
	const char *path = "/sys/kernel/debug/sync/sw_sync";
	work->timeline_fd = check_fd(open(path, O_RDWR | O_CLOEXEC), path);
	struct sw_sync_create_fence_data request = { .value = 1 };
	check_fd(ioctl(work->timeline_fd, SW_SYNC_IOC_CREATE_FENCE, &request), "sw_sync");
	expect(sb_fence_from_sync_file(request.fence, &work->end), 0);
}

static void work_end(struct work *work) {
	uint32_t one = 1;
	check_fd(ioctl(work->timeline_fd, SW_SYNC_IOC_INC, &one), "sw_sync");
}

static void work_finish(struct work *work) {
	sb_fence_clear(&work->end);
	close(work->timeline_fd);
}

static int is_ready(enum sb_access access, const struct sb_buffer *buffer) {
	struct sb_fence fence;
	expect(sb_buffer_export_fence(buffer, access, &fence), 0);
	int ret = sb_fence_wait(&fence, 0);
	sb_fence_clear(&fence);
	return ret;
}

int main(void) {
	static struct sb_stats stats;
	static const struct sb_trace_hook hook = { .handle = sb_stats_handle, .data = &stats };
	sb_trace_set_hook(&hook);

	int dmabuf_fd = make_dmabuf();
	uint32_t caps;
	expect(sb_caps_probe_dmabuf(dmabuf_fd, &caps), 0);
	expect(caps, SB_CAP_DMABUF_EXPORT_SYNC_FILE | SB_CAP_DMABUF_IMPORT_SYNC_FILE);

	/* Two planes of one dma-buf. */
	int planes[] = { dmabuf_fd, dmabuf_fd };
	struct sb_buffer buffer;
	expect(sb_buffer_init(&buffer, planes, 2), 0);
	expect(buffer.dmabuf_count, 1);
	expect(is_ready(SB_ACCESS_WRITE, &buffer), 0);

	/* A frame is written and handed over. What it depends on is what is pending now. */
	struct work writer, reader, next_writer;
	work_begin(&writer);
	expect(sb_buffer_import_fence(&buffer, SB_ACCESS_WRITE, &writer.end), 0);
	struct sb_fence_set *set;
	expect(sb_fence_set_create(&set), 0);
	expect(sb_fence_set_add_buffer(set, &buffer, SB_ACCESS_READ), 0);
	struct sb_fence acquire;
	expect(sb_fence_set_collapse(set, "acquire", &acquire), 0);
	expect(acquire.type, SB_FENCE_SYNC_FILE);
	expect(sb_fence_wait(&acquire, 0), -ETIME);

	/* The writer is a frame ahead: this one is not waited for. */
	work_begin(&next_writer);
	expect(sb_buffer_import_fence(&buffer, SB_ACCESS_WRITE, &next_writer.end), 0);
	work_end(&writer);
	expect(sb_fence_wait(&acquire, INT64_MAX), 0);
	expect(is_ready(SB_ACCESS_READ, &buffer), -ETIME);
	sb_fence_clear(&acquire);

	/* It is read; later writers wait for that, other readers do not. */
	work_begin(&reader);
	expect(sb_buffer_import_fence(&buffer, SB_ACCESS_READ, &reader.end), 0);
	work_end(&next_writer);
	expect(is_ready(SB_ACCESS_READ, &buffer), 0);
	expect(is_ready(SB_ACCESS_WRITE, &buffer), -ETIME);
	work_end(&reader);
	expect(is_ready(SB_ACCESS_WRITE, &buffer), 0);

	/* Nothing is pending any more, so there is nothing to wait for. */
	expect(sb_fence_set_add_buffer(set, &buffer, SB_ACCESS_WRITE), 0);
	expect(sb_fence_set_collapse(set, NULL, &acquire), 0);
	expect(acquire.type, SB_FENCE_NONE);

	sb_fence_set_destroy(set);
	work_finish(&writer);
	work_finish(&reader);
	work_finish(&next_writer);
	close(dmabuf_fd);
	expect(stats.errors, 0);
	expect(stats.over_syncs, 0);
	/* One more of each by the probe. */
	expect((long long)stats.imports, 4);
	printf("round trip: %llu snapshots, %llu fences added, %llu waits, none for too much\n",
			(unsigned long long)stats.exports, (unsigned long long)stats.imports,
			(unsigned long long)stats.waits);
	return 0;
}
