#ifndef TESTS_GUESTS_LINUX_HEADS_H
#define TESTS_GUESTS_LINUX_HEADS_H

#include <stdbool.h>
#include <stdint.h>

/* The heads of the only display device. */

/* Returns the device's file, whose events are for heads_handle_events(). */
int heads_open(void);

/* Sets the mode of each monitor that has changed, and says so; with is_new of each head there is. */
void heads_look(bool is_new);
void heads_handle_events(void);

/* The commands of linux.h. False: there is no such head, or it cannot. */
bool heads_set_mode(unsigned n, int width, int height);
bool heads_paint(unsigned n, uint32_t seed);
bool heads_paint_box(unsigned n, int x, int y, int width, int height, uint32_t rgb);
bool heads_flip(unsigned n, unsigned count);
bool heads_show_cursor(unsigned n, int x, int y, int hot_x, int hot_y, uint32_t rgb);
bool heads_move_cursor(unsigned n, int x, int y);
bool heads_hide_cursor(unsigned n);

#endif
