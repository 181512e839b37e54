#!/bin/sh
# vm_package: libsyncbridge installed from the build folder, and a program from outside of the tree
# that is built with it here and makes a round trip with a real dma-buf. Prints TAP.

set -eu
build=/src/build/$ORIEL_BUILD
# The checkout is read-only, and meson keeps a log.
mount -t tmpfs tmpfs "$build/meson-logs"
export PYTHONDONTWRITEBYTECODE=1
version=$("$build/tools/sb-info" --version)
exec python3 /src/tests/package/outside.py meson "$build" /src/tests/package/outside/round_trip.c cc \
	"${version#sb-info }" run
