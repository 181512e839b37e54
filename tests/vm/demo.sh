#!/bin/sh
# demo.sh [FRAMES]: shows a vGPU's display with oriel and takes a picture of it. Runs inside the
# test VM as root.
#
# An mbochs vGPU is made and its device file opened here, as fd 9, because VFIO lets a device be
# bound once only: demo_guest, which plays the virtual machine, and oriel inherit that one file.
# After FRAMES frames (90 if not given) were shown it leaves in $OUT: demo.png (what the screen
# showed), demo.txt (oriel's table of statistics), and the logs oriel.log and demo_guest.log.

set -u

frames=${1:-90}
src=$(cd "$(dirname "$0")/../.." && pwd)
build=$src/build/${ORIEL_BUILD:-vm}
oriel=$build/compositor/oriel
guest=$build/tests/vm/demo_guest
size=1024x768
uuid='' guest_pid='' oriel_pid=''

fail() {
	echo "demo: $*" >&2
	exit 1
}

cleanup() {
	status=$?
	trap - EXIT
	for pid in $oriel_pid $guest_pid; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	exec 9>&-
	# Blocks until the last holder of fd 9 is gone, so it comes after all of them.
	[ -z "$uuid" ] || echo 1 >"/sys/bus/mdev/devices/$uuid/remove"
	[ -z "${work:-}" ] || rm -rf "$work"
	exit "$status"
}

# wait_for SECONDS WHAT COMMAND...: until COMMAND succeeds; fails early if oriel or the guest ends
wait_for() {
	tries=$(($1 * 5)) what=$2
	shift 2
	until "$@"; do
		kill -0 "$oriel_pid" 2>/dev/null || fail "oriel ended: $(tail -n 1 "$OUT/oriel.log")"
		kill -0 "$guest_pid" 2>/dev/null ||
			fail "demo_guest ended: $(tail -n 1 "$OUT/demo_guest.log")"
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "$what did not happen in time (see $OUT/oriel.log)"
		sleep 0.2
	done
}

make_vgpu() {
	set -- /sys/class/mdev_bus/*/mdev_supported_types/mbochs-large/create
	[ -w "$1" ] || fail "this kernel has no mbochs vGPUs (CONFIG_SAMPLE_VFIO_MDEV_MBOCHS)"
	read -r new_uuid </proc/sys/kernel/random/uuid
	echo "$new_uuid" >"$1" || fail "cannot make an mbochs-large vGPU"
	uuid=$new_uuid
	set -- /sys/bus/mdev/devices/"$uuid"/vfio-dev/vfio*
	cdev=/dev/vfio/devices/${1##*/}
	[ -c "$cdev" ] || fail "the vGPU has no $cdev (CONFIG_VFIO_DEVICE_CDEV)"
}

# Sets card to the virtio-gpu's node and connector to its first output's name. The number in that
# name counts all cards' connectors of the type.
find_card() {
	card=''
	for sys in /sys/class/drm/card[0-9]*; do
		case $(readlink "$sys/device/driver") in
		*/virtio-pci | */virtio_gpu) card=/dev/dri/${sys##*/} && break ;;
		esac
	done
	[ -n "$card" ] || fail "this machine has no virtio-gpu card"
	set -- "$sys/${sys##*/}"-Virtual-*
	[ -d "$1" ] || fail "$card has no connector"
	connector=${1##*/"${sys##*/}"-}
}

# The last table in oriel's log, which also has oriel's messages
table() {
	awk '/^guest +taken +shown/ { rows = ""; heading = $0 }
		heading != "" && $2 ~ /^[0-9]+$/ && NF >= 9 { rows = rows "\n" $0 }
		END { if (heading != "") print heading rows }' "$OUT/oriel.log"
}

# column NUMBER: of the demo's line in the last table
column() {
	table | awk -v column="$1" '$1 == "demo" { n = $column } END { print n + 0 }'
}

shown_enough() {
	[ "$(column 3)" -lt "$frames" ] || return 0
	kill -USR1 "$oriel_pid" # asks for the table that the next try reads
	return 1
}

[ -d "${OUT:-}" ] || fail "OUT is not a folder: '${OUT:-}'"
case $frames in
'' | *[!0-9]*) fail "expected a number of frames, got '$frames'" ;;
esac
[ -x "$oriel" ] || fail "$oriel is not built"
[ -x "$guest" ] || fail "$guest is not built"
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
work=$(mktemp -d) || fail "cannot make a temporary folder"
rm -f "$OUT/demo.png" "$OUT/demo.txt"
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
	mkdir -m 700 "$work/run" && export XDG_RUNTIME_DIR="$work/run"
fi

make_vgpu
find_card
cat >"$work/oriel.conf" <<EOF
output $connector {
	mode $size
}
EOF

exec 9<>"$cdev"
"$guest" --fd 9 --size $size --interval-ms 50 >"$OUT/demo_guest.log" 2>&1 &
guest_pid=$!
# pixman: with no GPU behind the VM, it shows a frame in a fraction of llvmpipe's time.
env WLR_BACKENDS=drm WLR_DRM_DEVICES="$card" WLR_RENDERER=pixman LIBSEAT_BACKEND=builtin \
	WLR_LIBINPUT_NO_DEVICES=1 "$oriel" -c "$work/oriel.conf" --guest demo=vfio:fd:9 \
	-s "echo \"\$WAYLAND_DISPLAY\" >$work/display.new && mv $work/display.new $work/display" \
	>"$OUT/oriel.log" 2>&1 &
oriel_pid=$!

# oriel takes SIGUSR1 from before the session command on; earlier, the signal would end it.
wait_for 60 "the session's start" [ -s "$work/display" ]
wait_for 180 "showing $frames frames" shown_enough
read -r WAYLAND_DISPLAY <"$work/display"
export WAYLAND_DISPLAY
timeout 60 grim "$OUT/demo.png" 9>&- || fail "grim could not take the picture"
[ -s "$OUT/demo.png" ] || fail "grim left no picture"

kill -TERM "$oriel_pid"
wait "$oriel_pid"
status=$? oriel_pid=''
[ "$status" = 0 ] || fail "oriel ended with status $status: $(tail -n 1 "$OUT/oriel.log")"
kill -TERM "$guest_pid"
wait "$guest_pid"
status=$? guest_pid=''
[ "$status" = 0 ] || fail "demo_guest ended with status $status: $(tail -n 1 "$OUT/demo_guest.log")"

table >"$OUT/demo.txt"
[ "$(column 3)" -ge "$frames" ] || fail "oriel's last table has no $frames frames shown"
[ "$(column 6)" = "$(column 2)" ] || fail "not every frame taken was released (see $OUT/demo.txt)"
[ "$(column 9)" = 0 ] || fail "oriel waited for more than a frame needed (see $OUT/demo.txt)"
cat "$OUT/demo.txt"
