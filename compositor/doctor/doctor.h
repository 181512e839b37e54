#ifndef ORIEL_DOCTOR_H
#define ORIEL_DOCTOR_H

/*
 * `oriel doctor`: says what this host lacks, and what to do about it. Needs no compositor, runs as
 * any user, and changes nothing. It looks at the host itself, so it stands beside the rest and
 * uses of it only what the library and the guests' drivers say of themselves.
 *
 * argv[0] is "doctor", and the rest is read. What it finds goes to stdout. Returns the status to end
 * with: 0 if nothing essential is missing. Uses getopt(3), and leaves SIGPIPE ignored.
 */
int oriel_doctor_main(int argc, char *argv[]);

#endif
