#!/bin/sh
# vm_doctor: what `oriel doctor qemu` says of the test VM, where it is known what there is, and of the
# QEMU in it. Prints TAP.

set -u
oriel=/src/build/$ORIEL_BUILD/compositor/oriel
report=${TMPDIR:-/tmp}/report
number=0
failed=0

# check FUNCTION: one test
check() {
	number=$((number + 1))
	if "$1"; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		failed=1
		sed 's/^/# /' "$report"
	fi
}

# examine [CMD…]: the doctor's report, started by CMD. QEMU takes its time to load Mesa, emulated.
examine() {
	"$@" "$oriel" doctor qemu --timeout 100 >"$report" 2>&1
	status=$?
	[ "$status" -le 1 ] || echo "# exit status $status"
	[ "$status" -le 1 ]
}

# says LEVEL SUBJECT WORD: whether there is such a line
says() {
	line=$(printf '%-8s %-14s ' "$1" "$2")
	grep -F -- "$line" "$report" | grep -qF -- "$3" && return 0
	echo "# not \"$1\" for \"$2\", with \"$3\""
	return 1
}

# without FILE CMD…: CMD where this file is no device
without() {
	# shellcheck disable=SC2016
	unshare --mount sh -c 'mount --bind /dev/null "$1" && shift && exec "$@"' - "$@"
}

machine_is_known() {
	examine &&
		says ok 'runtime folder' "$XDG_RUNTIME_DIR" &&
		says ok QEMU /usr/bin/qemu-system-x86_64 &&
		says ok 'D-Bus display' dbus &&
		says ok gl=on p2p=yes &&
		says warning virtio-gpu-gl tex_id &&
		says note 'render node' 'there are 2' &&
		says ok udmabuf /dev/udmabuf &&
		says ok fences 'gives out' &&
		says note blob=on virtio-vga,blob=on &&
		says warning KVM '/dev/kvm: No such file'
}

render_device_is_what_qemu_should_take() {
	examine env WLR_RENDER_DRM_DEVICE=/dev/dri/renderD129 &&
		says note 'render node' 'oriel draws with /dev/dri/renderD129' &&
		grep -qF 'gl=on,rendernode=/dev/dri/renderD129' "$report"
}

missing_udmabuf_is_a_warning() {
	examine without /dev/udmabuf &&
		says warning udmabuf '/dev/udmabuf: Inappropriate ioctl' &&
		says note fences 'not tried' &&
		! grep -q '^note *blob=on' "$report"
}

nobody_is_told_what_is_forbidden() {
	examine setpriv --reuid=65534 --regid=65534 --clear-groups &&
		says missing 'runtime folder' 'Permission denied' &&
		says warning gl=on 'QEMU says' &&
		says warning 'render node' 'Permission denied' &&
		says warning udmabuf 'Permission denied'
}

check machine_is_known
check render_device_is_what_qemu_should_take
check missing_udmabuf_is_a_warning
check nobody_is_told_what_is_forbidden
echo "1..$number"
exit "$failed"
