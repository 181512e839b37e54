#ifndef TESTS_GUESTS_LINUX_H
#define TESTS_GUESTS_LINUX_H

/*
 * A guest that is one program, the only one of a Linux. It shows a picture (picture.h) on every head of
 * its display device, in the mode that the head's monitor prefers, and follows when that changes. It
 * says what it does, and what its input devices report, in lines on a virtio-serial port:
 *
 *	ready				all heads and devices have been said
 *	head N off			nothing is plugged in there
 *	head N WIDTHxHEIGHT		the picture is shown; to begin with, its seed is N + 1
 *	painted N SEED			and likewise, when another one was asked for
 *	flipped N SEED			the last of so many flips is over
 *	device NAME			an input device, by the last word of its name: keyboard, tablet,
 *					mouse, multitouch
 *	range NAME CODE MIN MAX		of an absolute axis of it
 *	NAME TYPE CODE VALUE		an event of it, as of linux/input.h; a report's end is "NAME 0 0 0"
 *	done				a command has been carried out, or "failed: " and the command
 *
 * and takes commands on the same port, a line each:
 *
 *	paint N SEED			paints into the buffer that is shown
 *	box N X Y WIDTH HEIGHT RGB	likewise, a box of one colour (hexadecimal), and only that is flushed
 *	flip N COUNT			flips that many times between two buffers, each time to the next seed
 *	cursor N X Y HOT_X HOT_Y RGB	shows a cursor (below) with its hot spot at X, Y
 *	move N X Y			moves its hot spot there
 *	hide N				hides it
 *	led CODE 0|1			turns a light of the keyboard on or off (LED_… of linux/input.h)
 *	mode N WIDTHxHEIGHT		sets a mode, whatever the monitor prefers, until that changes
 *
 * The cursor is a square of LINUX_CURSOR_SIZE in one colour, in the corner of a transparent one of 64.
 */
#define LINUX_CURSOR_SIZE 16

#endif
