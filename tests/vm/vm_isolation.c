/*
 * A guest whose fence never signals holds back its own picture, and nothing else: the other guest
 * and Wayland clients keep their frame rate, and oriel ends at once when asked to.
 *
 * Rates are compared between two compositors in this process, one with the stuck guest and one
 * without it, which take short turns, so that whatever else the machine does slows both alike.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wlr/types/wlr_cursor.h>
#include <wlr/types/wlr_output.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "bridge/latch.h"
#include "fds.h"
#include "fixture.h"
#include "guest/frame.h"
#include "guest/source.h"
#include "input/cursor.h"
#include "input/seat.h"
#include "player.h"
#include "program.h"
#include "screenshot.h"
#include "server.h"
#include "sw_sync.h"
#include "vgpu_guest.h"
#include "view/guest_view.h"
#include "xdg_client.h"

#define WIDTH 160
#define HEIGHT 120

#define MSEC_NS UINT64_C(1000000)
#define SEC_NS (1000 * MSEC_NS)

/* A pair of turns, alone and beside the stuck guest; ten of them are 5 s of each. */
#define TURN_NS (500 * MSEC_NS)
#define ROUND_TURNS 10
/*
 * What else a machine does comes in bursts, which may hit one side's turns more than the other's.
 * More rounds are then added, not put in place of the first.
 */
#define ROUNDS_MAX 3
#define RATE_PERCENT 95

#define END_LIMIT_NS SEC_NS

struct test {
	struct player free, stuck;
	int timeline_fd; /* never moves */
	int fds_before;
};

static uint64_t get_time_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SEC_NS + (uint64_t)now.tv_nsec;
}

/* Makes a page one whose writer never ends. */
static void make_page_stuck(const struct player *player, int page, int timeline_fd) {
	int fence_fd = sw_timeline_create_fence(timeline_fd, 1);
	assert_true(fence_fd >= 0);
	assert_int_equal(dmabuf_import_write(player->dmabuf_fds[page], fence_fd), 0);
	close(fence_fd);
}

static bool latch_is_holding(struct fixture *fixture, void *data) {
	const struct oriel_guest_view *view = data;
	return oriel_latch_get_pending_count(view->primary.latch) > 0;
}

static bool frame_is_sampled(struct fixture *fixture, void *data) {
	const struct oriel_guest_view *view = data;
	return view->primary.frame != NULL && view->primary.frame->sampled;
}

/* The stuck guest's output is at 0, 0 in the layout. */
static void write_config(char *text, size_t size, int free_fd, int stuck_fd) {
	int length = snprintf(text, size,
			"output OUTPUT-1 {\n\tmode %dx%d\n\tposition 0 0\n}\n"
			"output OUTPUT-2 {\n\tmode %dx%d\n\tposition %d 0\n}\n",
			WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH);
	if (free_fd >= 0) {
		length += snprintf(text + length, size - (size_t)length,
				"guest free {\n\tsource vfio fd:%d\n\toutput OUTPUT-2\n}\n", free_fd);
	}
	if (stuck_fd >= 0) {
		length += snprintf(text + length, size - (size_t)length,
				"guest stuck {\n\tsource vfio fd:%d\n\toutput OUTPUT-1\n}\n",
				stuck_fd);
	}
	assert_true((size_t)length < size);
}

/* Of frames taken, one is on screen and some are held; everything else has come to its end. */
static void assert_is_held_back(struct fixture *fixture, uint64_t shown_before) {
	const struct oriel_guest_view *view = fixture_get_view(fixture, "stuck");
	struct oriel_source_counters counters = oriel_source_get_counters(view->source);
	size_t pending = oriel_latch_get_pending_count(view->primary.latch);
	assert_uint_in_range(pending, 1, ORIEL_LATCH_DEPTH);
	assert_int_equal(view->stats.shown, shown_before);
	assert_int_equal(view->stats.rejected, 0);
	assert_int_equal(view->stats.over_sync, 0);
	assert_int_equal(counters.taken, view->stats.shown + view->stats.superseded + pending);
	assert_int_equal(counters.taken - counters.released, pending + 1);
}

/* rates */

/* A compositor, and what is counted in it: the free guest's frames, or a client's. */
struct side {
	struct fixture fixture;
	struct player_watch free, stuck; /* if those guests are there */
	struct xdg_client *client; /* NULL: the guest's frames are counted */
	struct xdg_window *window;
	bool stuck_flips; /* the stuck guest goes on as well */
	uint64_t frames; /* in all turns */
	uint64_t time_ns; /* of all turns */
};

/* The guest flips as soon as it is seen. */
static void side_take_guest_turn(struct side *side, struct test *test) {
	struct player *free_player = &test->free, *stuck = &test->stuck;
	player_wait_for_page(&side->fixture, &side->free, free_player->page);
	player_flip(free_player, (free_player->page + 1) % free_player->page_count);

	uint64_t start_ns = get_time_ns(), now_ns;
	while ((now_ns = get_time_ns()) - start_ns < TURN_NS) {
		fixture_step(&side->fixture, 10);
		if (side->free.page != free_player->page) {
			continue;
		}
		side->frames++;
		player_flip(free_player, (free_player->page + 1) % free_player->page_count);
		if (side->stuck_flips) {
			/* Page 0 is the one that is not stuck. */
			player_flip(stuck, stuck->page % (stuck->page_count - 1) + 1);
		}
	}
	side->time_ns += now_ns - start_ns;
}

/* Each time of another colour, and of another width: what is behind it is drawn as well. */
static void side_draw_window(struct side *side) {
	struct xdg_window *window = side->window;
	xdg_window_draw(window, WIDTH / 2 + 2 * (int)(window->draw_count % 2), HEIGHT / 2,
			window->rgb ^ 0xffffff);
}

/* The client draws at each frame callback. */
static void side_take_client_turn(struct side *side) {
	side_draw_window(side);
	xdg_window_wait_frame(side->window);
	side_draw_window(side);
	size_t count = side->window->frame_count;

	uint64_t start_ns = get_time_ns(), now_ns;
	while ((now_ns = get_time_ns()) - start_ns < TURN_NS) {
		fixture_step(&side->fixture, 10);
		if (side->window->frame_count != count) {
			count = side->window->frame_count;
			side->frames++;
			side_draw_window(side);
		}
	}
	side->time_ns += now_ns - start_ns;
}

static void side_take_turn(struct side *side, struct test *test) {
	if (side->window != NULL) {
		side_take_client_turn(side);
	} else {
		side_take_guest_turn(side, test);
	}
}

static double get_rate(const struct side *side) {
	return (double)side->frames * (double)SEC_NS / (double)side->time_ns;
}

static void assert_rate_is_kept(
		struct side *alone, struct side *beside, struct test *test, const char *who) {
	double percent = 0;
	for (int round = 0; round < ROUNDS_MAX && percent < RATE_PERCENT; round++) {
		for (int i = 0; i < ROUND_TURNS; i++) {
			/* Each side is first as often as the other. */
			side_take_turn(i % 2 == 0 ? alone : beside, test);
			side_take_turn(i % 2 == 0 ? beside : alone, test);
		}
		percent = 100 * get_rate(beside) / get_rate(alone);
		print_message("# %s: alone %" PRIu64 " frames in %.2f s, beside a stuck guest "
			      "%" PRIu64 " in %.2f s: %.1f %% of the rate\n",
				who, alone->frames, (double)alone->time_ns / (double)SEC_NS,
				beside->frames, (double)beside->time_ns / (double)SEC_NS, percent);
	}
	/* A few a second would compare as well, and prove nothing. */
	assert_true(alone->frames >= 20);
	assert_true(percent >= RATE_PERCENT);
}

/* the tests */

static void test_init(struct test *test) {
	test->fds_before = fds_count_open();
	player_init(&test->free, "mbochs-small", WIDTH, HEIGHT, 2, 1000);
	player_init(&test->stuck, "mbochs-small", WIDTH, HEIGHT, PLAYER_PAGES_MAX, 2000);
	test->timeline_fd = sw_timeline_create();
	assert_true(test->timeline_fd >= 0);
}

static void test_finish(struct test *test) {
	player_finish(&test->free);
	player_finish(&test->stuck);
	close(test->timeline_fd);
	assert_int_equal(fds_count_open(), test->fds_before);
}

static void side_init(struct side *side, struct test *test, bool has_free, bool has_stuck) {
	*side = (struct side){ 0 };
	char text[512];
	write_config(text, sizeof(text), has_free ? vgpu_guest_get_device_fd(test->free.guest) : -1,
			has_stuck ? vgpu_guest_get_device_fd(test->stuck.guest) : -1);
	fixture_init(&side->fixture, text);
	if (has_free) {
		player_watch_init(&side->free, &test->free, fixture_get_view(&side->fixture, "free"));
		/* Opens all of its buffers: the other side counts open files from its start on. */
		for (int page = 0; page < test->free.page_count; page++) {
			player_flip(&test->free, page);
			player_wait_for_page(&side->fixture, &side->free, page);
		}
	}
	if (has_stuck) {
		player_watch_init(&side->stuck, &test->stuck,
				fixture_get_view(&side->fixture, "stuck"));
	}
}

static void side_finish(struct side *side) {
	if (side->free.player != NULL) {
		player_watch_finish(&side->free);
	}
	if (side->stuck.player != NULL) {
		player_watch_finish(&side->stuck);
	}
	fixture_finish(&side->fixture);
}

/* On the first output, which has the stuck guest if there is one: windows appear at the pointer. */
static void side_open_window(struct side *side) {
	wlr_cursor_warp(side->fixture.server->seat->cursor->wlr_cursor, NULL, 1, 1);
	side->client = xdg_client_create(&side->fixture);
	side->window = xdg_window_create(side->client);
	xdg_window_show(side->window, WIDTH / 2, HEIGHT / 2, 0x306090);
}

static void side_close_window(struct side *side) {
	xdg_window_destroy(side->window);
	xdg_client_destroy(side->client);
}

/* Shows the stuck guest's page 0, and then flips to a page whose writer never ends. */
static uint64_t side_get_stuck(struct side *side, struct test *test) {
	struct player *stuck = &test->stuck;
	struct oriel_guest_view *view = side->stuck.view;
	player_wait_for_page(&side->fixture, &side->stuck, 0);
	player_assert_picture(&side->fixture, &side->stuck, 0);
	for (int page = 1; page < stuck->page_count; page++) {
		make_page_stuck(stuck, page, test->timeline_fd);
	}
	player_flip(stuck, 1);
	fixture_step_until(&side->fixture, latch_is_holding, view);
	/* The last frame taken before that may still have to be drawn. */
	fixture_step_until(&side->fixture, frame_is_sampled, view);
	return view->stats.shown;
}

static void compare_guest_rates(bool stuck_flips, const char *who) {
	struct test test;
	test_init(&test);
	struct side alone, beside;
	side_init(&alone, &test, true, false);
	side_init(&beside, &test, true, true);
	/* Also while nobody looks, so that this program does the same work in all turns. */
	alone.stuck_flips = beside.stuck_flips = stuck_flips;
	uint64_t stuck_shown = side_get_stuck(&beside, &test);

	assert_rate_is_kept(&alone, &beside, &test, who);

	assert_is_held_back(&beside.fixture, stuck_shown);
	player_assert_picture(&beside.fixture, &beside.stuck, 0);
	/* What was counted was on screen. */
	for (int page = 0; page < test.free.page_count; page++) {
		player_flip(&test.free, page);
		player_wait_for_page(&beside.fixture, &beside.free, page);
		player_assert_picture(&beside.fixture, &beside.free, page);
	}
	side_finish(&beside);
	side_finish(&alone);
	test_finish(&test);
}

static void show_guest_beside_stuck_one_keeps_rate(void **state) {
	compare_guest_rates(false, "guest");
}

/* The stuck guest draws on, so that its mailbox is full and each frame supersedes another. */
static void show_guest_beside_stuck_one_that_flips_keeps_rate(void **state) {
	compare_guest_rates(true, "guest, the stuck one flips");
}

/* The window lies on the stuck guest's picture, and so is drawn together with it. */
static void show_client_above_stuck_guest_keeps_rate(void **state) {
	struct test test;
	test_init(&test);
	struct side alone, beside;
	side_init(&alone, &test, false, false);
	side_init(&beside, &test, false, true);
	uint64_t stuck_shown = side_get_stuck(&beside, &test);
	/* Back to the page on screen, which its writer, too, does not end with any more. */
	make_page_stuck(&test.stuck, 0, test.timeline_fd);
	player_flip(&test.stuck, 0);
	side_open_window(&alone);
	side_open_window(&beside);

	assert_rate_is_kept(&alone, &beside, &test, "client");

	assert_is_held_back(&beside.fixture, stuck_shown);
	const struct oriel_guest_view *view = fixture_get_view(&beside.fixture, "stuck");
	struct screenshot shot = screenshot_take(&beside.fixture, view->output->name);
	uint32_t rgb = screenshot_get_pixel(&shot, WIDTH / 2, HEIGHT / 2);
	assert_true(rgb == 0x306090 || rgb == (0x306090 ^ 0xffffff));
	assert_int_equal(screenshot_get_pixel(&shot, 0, 0),
			vgpu_picture_pixel(0, 0, WIDTH, HEIGHT, test.stuck.first_seed));
	screenshot_finish(&shot);
	side_close_window(&beside);
	side_close_window(&alone);
	side_finish(&beside);
	side_finish(&alone);
	test_finish(&test);
}

/* the end */

/* A guest's line in the table of statistics. */
struct table_row {
	uint64_t taken, shown, superseded, rejected, released;
};

static bool find_row(const char *text, const char *guest, struct table_row *row) {
	char start[32];
	snprintf(start, sizeof(start), "\n%s ", guest);
	const char *line = strstr(text, start);
	return line != NULL && strchr(line + 1, '\n') != NULL &&
			sscanf(line + 1, "%*s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
					&row->taken, &row->shown, &row->superseded, &row->rejected,
					&row->released) == 5;
}

static void forget_errors(struct program *oriel) {
	oriel->err.length = 0;
	oriel->err.text[0] = '\0';
}

/* Asks oriel for its table. */
static void get_table(struct program *oriel, struct table_row *ret_free, struct table_row *ret_stuck) {
	forget_errors(oriel);
	program_kill(oriel, SIGUSR1);
	/* The guests' lines come in the order of the configuration, each in one piece. */
	program_wait_for(oriel, &oriel->err, "\nstuck ");
	assert_true(find_row(oriel->err.text, "free", ret_free));
	assert_true(find_row(oriel->err.text, "stuck", ret_stuck));
}

/* The program that was built together with this test. */
static void get_oriel_path(char path[static PATH_MAX]) {
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
	assert_true(length > 0);
	path[length] = '\0';
	static const char tail[] = "/tests/vm/vm_isolation";
	assert_true((size_t)length > strlen(tail));
	char *at = path + length - strlen(tail);
	assert_string_equal(at, tail);
	assert_true((size_t)(at - path) + sizeof("/compositor/oriel") <= PATH_MAX);
	strcpy(at, "/compositor/oriel");
}

static void write_config_file(const char *path, const struct test *test, const int fds[2]) {
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file,
			"output HEADLESS-1 {\n\tmode %dx%d\n}\n"
			"output HEADLESS-2 {\n\tmode %dx%d\n}\n"
			"guest free {\n\tsource vfio fd:%d\n\toutput HEADLESS-2\n}\n"
			"guest stuck {\n\tsource vfio fd:%d\n\toutput HEADLESS-1\n}\n",
			WIDTH, HEIGHT, WIDTH, HEIGHT, fds[0], fds[1]);
	assert_int_equal(fclose(file), 0);
}

/* The program itself, which shares the guests' device files with this one. */
static void sigterm_beside_stuck_guest_ends_within_a_second(void **state) {
	struct test test;
	test_init(&test);
	char oriel_path[PATH_MAX], config_path[] = "/tmp/oriel-isolation-XXXXXX";
	get_oriel_path(oriel_path);
	int config_fd = mkstemp(config_path);
	assert_true(config_fd >= 0);
	close(config_fd);
	/* Without close-on-exec. */
	int fds[2] = { dup(vgpu_guest_get_device_fd(test.free.guest)),
		dup(vgpu_guest_get_device_fd(test.stuck.guest)) };
	assert_true(fds[0] >= 0 && fds[1] >= 0);
	write_config_file(config_path, &test, fds);

	struct program oriel;
	program_start(&oriel, (const char *[]){ oriel_path, "-c", config_path, NULL });
	close(fds[0]);
	close(fds[1]);
	program_wait_for(&oriel, &oriel.err, "running on WAYLAND_DISPLAY=");
	struct table_row free_row = { 0 }, stuck_row = { 0 };
	while (stuck_row.shown < 1) {
		get_table(&oriel, &free_row, &stuck_row);
	}
	make_page_stuck(&test.stuck, 1, test.timeline_fd);
	player_flip(&test.stuck, 1);
	/* Whatever oriel had taken before it found the flip is shown by the time the fence holds one
	 * frame back while the free guest goes on. */
	uint64_t free_goal = 0, stuck_shown = 0;
	do {
		player_flip(&test.free, 1 - test.free.page);
		get_table(&oriel, &free_row, &stuck_row);
		if (stuck_row.shown != stuck_shown || free_goal == 0) {
			stuck_shown = stuck_row.shown;
			free_goal = free_row.shown + 10;
		}
	} while (free_row.shown < free_goal);
	assert_int_equal(stuck_row.taken, stuck_row.shown + stuck_row.superseded + 1);

	forget_errors(&oriel);
	uint64_t start_ns = get_time_ns();
	program_kill(&oriel, SIGTERM);
	int status = program_wait(&oriel);
	uint64_t time_ns = get_time_ns() - start_ns;
	print_message("# from SIGTERM to the end: %.3f s\n", (double)time_ns / (double)SEC_NS);
	assert_int_equal(status, EXIT_SUCCESS);
	assert_true(time_ns <= END_LIMIT_NS);

	/* The table that it ended with: everything has been released, the held back frame unseen. */
	assert_true(find_row(oriel.err.text, "free", &free_row));
	assert_int_equal(free_row.released, free_row.taken);
	assert_true(find_row(oriel.err.text, "stuck", &stuck_row));
	assert_int_equal(stuck_row.released, stuck_row.taken);
	assert_int_equal(stuck_row.shown, stuck_shown);
	assert_int_equal(stuck_row.taken, stuck_row.shown + stuck_row.superseded);
	program_finish(&oriel);
	unlink(config_path);
	test_finish(&test);
}

int main(void) {
	cmocka_set_message_output(CM_OUTPUT_TAP);
	setenv("WLR_HEADLESS_OUTPUTS", "2", true);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(show_guest_beside_stuck_one_keeps_rate),
		cmocka_unit_test(show_guest_beside_stuck_one_that_flips_keeps_rate),
		cmocka_unit_test(show_client_above_stuck_guest_keeps_rate),
		cmocka_unit_test(sigterm_beside_stuck_guest_ends_within_a_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
