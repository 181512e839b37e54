#!/bin/sh
# vm_info: what sb-info says of the test VM, where it is known what there is. Prints TAP.

set -u
sb_info=/src/build/$ORIEL_BUILD/tools/sb-info
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

# reports STATUS CMD…: whether CMD ends with that status; what it prints is the report
reports() {
	expected=$1
	shift
	"$@" >"$report" 2>&1
	status=$?
	[ "$status" = "$expected" ] || echo "# exit status $status, not $expected"
	[ "$status" = "$expected" ]
}

# says HEADING QUESTION ANSWER…: whether all sections whose heading has HEADING in it, at least one,
# say that; an ANSWER of several words is one of several arguments, too
says() {
	heading=$1 question=$2
	shift 2
	awk -v heading="$heading" -v question="$question" -v answer="$*" '
		/^[^\t]/ { here = index($0, heading) }
		/^\t/ && here {
			asked = substr($0, 2, 25)
			sub(/ *$/, "", asked)
			if (asked == question) {
				found++
				same += substr($0, 28) == answer
			}
		}
		END { exit !(found > 0 && same == found) }
	' "$report" && return 0
	echo "# \"$heading\" does not say \"$question\": \"$*\""
	return 1
}

machine_is_known() {
	reports 0 "$sb_info" &&
		says 'dma-bufs (tried with one of /dev/udmabuf)' 'export fences' yes &&
		says 'dma-bufs (tried with one of /dev/udmabuf)' 'import fences' yes &&
		says '(primary node, virtio_gpu)' timelines yes &&
		says '(primary node, virtio_gpu)' 'points as eventfds' yes &&
		says '(render node, virtio_gpu)' timelines yes &&
		says '(primary node, vkms)' timelines 'no: the driver has no syncobjs (DRM_CAP_SYNCOBJ)' &&
		says '(render node, vgem)' timelines 'no: the driver has no syncobjs (DRM_CAP_SYNCOBJ)' &&
		says 'Vulkan: llvmpipe' 'SYNC_FD semaphores' yes &&
		says 'Vulkan: llvmpipe' 'SYNC_FD fences' yes &&
		says 'Vulkan: llvmpipe' 'dma-bufs as memory' yes &&
		says 'Vulkan: llvmpipe' 'dma-bufs as images' yes &&
		says 'Vulkan: llvmpipe' 'foreign queue family' yes &&
		says 'Vulkan: llvmpipe' 'image barriers' yes &&
		says 'Vulkan: llvmpipe' 'DRM node' 'no: no VK_EXT_physical_device_drm' &&
		says 'Vulkan: llvmpipe' 'sb_vk_*' yes &&
		says sw_sync usable yes
}

nobody_is_told_what_is_forbidden() {
	denied='Permission denied'
	reports 1 setpriv --reuid=65534 --regid=65534 --clear-groups "$sb_info" &&
		says dma-bufs fences 'unknown: there is no dma-buf to try with' &&
		says dma-bufs /dev/udmabuf "$denied" &&
		says dma-bufs '/dev/dma_heap/*' "$denied" &&
		says dma-bufs '/dev/dri/card*' "$denied" &&
		says /dev/dri/card timelines "unknown: $denied" &&
		says sw_sync usable "no: /sys/kernel/debug/sync/sw_sync: $denied"
}

# without FILE… -- CMD…: CMD where these files are no devices
without() {
	unshare --mount sh -c '
		while [ "$1" != -- ]; do
			if [ -d "$1" ]; then mount -t tmpfs tmpfs "$1"; else mount --bind /dev/null "$1"; fi || exit 125
			shift
		done
		shift
		exec "$@"
	' - "$@"
}

heap_stands_in_for_udmabuf() {
	reports 0 without /dev/udmabuf -- "$sb_info" &&
		says 'dma-bufs (tried with one of /dev/dma_heap/system)' 'export fences' yes
}

dumb_buffer_stands_in_for_heap() {
	reports 0 without /dev/udmabuf /dev/dma_heap -- "$sb_info" &&
		says 'dma-bufs (tried with one of /dev/dri/card' 'import fences' yes
}

nothing_is_no_error() {
	reports 1 without /dev/udmabuf /dev/dma_heap /dev/dri -- "$sb_info" &&
		says dma-bufs /dev/udmabuf 'Inappropriate ioctl for device' &&
		says dma-bufs '/dev/dri/card*' 'No such file or directory' &&
		says DRM devices 'none: /dev/dri is empty'
}

check machine_is_known
check nobody_is_told_what_is_forbidden
check heap_stands_in_for_udmabuf
check dumb_buffer_stands_in_for_heap
check nothing_is_no_error
echo "1..$number"
exit "$failed"
