#!/bin/sh
# vm_igt: igt-gpu-tools' own tests of sync_files, syncobjs and implicit fences, on this kernel and
# this rig. What Oriel's tests say of libsyncbridge is worth as much as the kernel below it: where
# these fail, look here first.
#
# Prints TAP, one line for each subtest. One that skips here is excluded by name below, or else it
# is reported as skipped, which CI does not let pass.

set -u
igt=/usr/libexec/igt-gpu-tools
work=${TMPDIR:-/tmp}/vm_igt.$$

# PROGRAM DRIVER: the driver to be tested where the program takes any. virtio_gpu is the one that has
# syncobjs. dmabuf_sync_file and vgem_basic open vgem by themselves; the latter hands its buffers on
# to the other, and virtio_gpu takes none.
#
# Not here: dmabuf, the kernel's selftests, which are a module, and this kernel has none; prime_vgem,
# each of whose subtests wants an Intel GPU beside vgem.
programs='
dmabuf_sync_file vgem
sw_sync          virtio_gpu
syncobj_basic    virtio_gpu
syncobj_wait     virtio_gpu
syncobj_timeline virtio_gpu
syncobj_eventfd  virtio_gpu
vgem_basic       vkms
'

# PROGRAM SUBTEST REASON: what cannot run here
excluded='
vgem_basic unload removes the module vgem, which is built in
'

# subtests PROGRAM: those to run, one a line; an exclusion of what there is not is an error
subtests() {
	"$igt/$1" --list-subtests >"$work/listed" && [ -s "$work/listed" ] || return 1
	echo "$excluded" | awk -v program="$1" '$1 == program { print $2 }' >"$work/excluded"
	while read -r name; do
		grep -Fqx "$name" "$work/listed" || {
			echo "# $1 has no subtest $name to exclude"
			return 1
		}
	done <"$work/excluded"
	grep -Fvx -f "$work/excluded" "$work/listed"
}

# report PROGRAM STATUS: TAP for the subtests in $work/PROGRAM, of the output in $work/output. What
# igt printed of one that did not succeed goes before its line.
report() {
	awk -v program="$1" -v status="$2" '
		function finish(name) {
			if (result[name] == "SUCCESS") {
				print "ok - " program ": " name
				return
			}
			if (result[name] == "") {
				result[name] = "did not report, exit status " status
				said[name] = text
				text = ""
			}
			printf "%s", said[name]
			if (result[name] == "SKIP") {
				print "ok - " program ": " name " # SKIP igt found something missing"
			} else {
				print "not ok - " program ": " name " # " result[name]
				failed = 1
			}
		}
		NR == FNR {
			order[++count] = $1
			next
		}
		/^Starting subtest: / {
			text = ""
			next
		}
		/^Subtest [^ ]+: [A-Z]+ \([0-9.]+s\)$/ {
			name = substr($2, 1, length($2) - 1)
			result[name] = $3
			said[name] = text
			text = ""
			next
		}
		{ text = text "# " $0 "\n" }
		END {
			for (i = 1; i <= count; i++) {
				finish(order[i])
			}
			if (status != 0 && status != 77 && !failed) {
				print "# " program ": exit status " status
				failed = 1
			}
			exit failed
		}' "$work/$1" "$work/output"
}

mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
failed=0
echo "$programs" >"$work/programs"

planned=0
while read -r program driver; do
	[ -n "$program" ] || continue
	if ! subtests "$program" >"$work/$program"; then
		cat "$work/$program"
		echo "Bail out! $program cannot be run"
		exit 1
	fi
	planned=$((planned + $(wc -l <"$work/$program")))
done <"$work/programs"
echo "1..$planned"

while read -r program driver; do
	[ -n "$program" ] || continue
	# igt runs the subtests in its own order, those named only.
	IGT_FORCE_DRIVER=$driver "$igt/$program" --run-subtest "$(paste -sd , "$work/$program")" \
		>"$work/output" 2>&1 </dev/null
	report "$program" $? || failed=1
done <"$work/programs"
exit "$failed"
