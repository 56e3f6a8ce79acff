# Laying overlays while calls of the system fail. Runs once: it tests a program, $LAY_OVERLAYS.
# shellcheck shell=dash disable=SC2154,SC2317
# Variables and functions that are shared with lib.sh are seen only when it runs.

mac=52:54:00:12:34:56
# Each call that a disk or a memory that is full may refuse, once for each kind of thing that is made.
calls="openat openat2 getdents64 fstat read write fchown fchmod mkdirat symlinkat renameat unlinkat"

lay() {
	# shellcheck disable=SC2086 # a command and its words
	VOIDCLUST_RUN="$T/run" VOIDCLUST_LOWER="$T/lower" VOIDCLUST_SYS="$T/sys" \
		VOIDCLUST_CMDLINE="$T/cmdline" VOIDCLUST_MOUNTINFO="$T/mountinfo" $tracer ${LAY_OVERLAYS:?} "$@"
}
refresh() { lay --refresh --from "$T/overlays" "$T/etc" "$mac"; }
tracer=

stands() { (cd "$T/etc" && find . -printf '%P %y %m %U %l ' -type f -exec cat {} \; -o -printf '\n' | sort); }

# What is laid first, and what is laid over it.
first_overlay() {
	file "$T/made/hostname" one
	file "$T/made/gone" x
	file "$T/made/deep/er" x
	: >"$T/made/.wh.hosts"
	pack
}
second_overlay() {
	file "$T/made/hostname" two
	file "$T/made/private/key" x
	chmod 700 "$T/made/private"
	ln -s nowhere "$T/made/link"
	: >"$T/made/.wh.issue"
	pack
}
pack() {
	mkdir -p "$T/overlays"
	tar -cf "$T/overlays/$mac.tar" -C "$T/made" --sort=name .
	rm -r "$T/made"
}
mkdir -p "$T/sys/class/net"
for tree in "$T/etc" "$T/lower/etc"; do
	for name in hostname hosts issue; do file "$tree/$name" shared; done
	file "$tree/fstab" 'UUID=1 / ext4 defaults 0 1'
done
{
	echo "21 1 0:20 / / rw - overlay overlay rw"
	echo "22 21 8:1 / $T/lower rw,relatime shared:1 - ext4 source rw"
} >"$T/mountinfo"

reset() {
	rm -rf "${T:?}/etc" "$T/run"
	cp -a "$T/before/etc" "$T/before/run" "$T"
}

test_a_refresh_in_which_a_call_fails_says_so_and_is_finished_by_the_next() {
	needs strace
	strace -qq -o /dev/null true 2>/dev/null || skip "strace may not trace here"
	first_overlay
	ok lay --from "$T/overlays" "$T/etc" "$mac" >/dev/null
	second_overlay
	mkdir "$T/before"
	cp -a "$T/etc" "$T/run" "$T/before"
	tracer="strace -qq -o $T/trace"
	ok refresh >/dev/null
	stands >"$T/wanted"
	faults=0
	for call in $calls; do
		at="$(grep -c "^$call(" "$T/trace")"
		while [ "$at" -gt 0 ]; do
			reset
			tracer="strace -qq -o $T/faulty -e trace=$call -e inject=$call:error=EIO:when=$at"
			refresh >/dev/null 2>"$T/err"
			status=$?
			tracer=
			case "$status" in
			0) same "$call $at: $(stands)" "$call $at: $(cat "$T/wanted")" ;;
			# 127: the first of them load the program.
			1 | 127) [ -s "$T/err" ] || fail "$call $at: no word" ;;
			*) fail "$call $at: status $status: $(cat "$T/err")" ;;
			esac
			case "$(cat "$T/etc/hostname")" in one | two) ;; *) fail "$call $at: torn" ;; esac
			refresh >/dev/null 2>"$T/err" || fail "$call $at: the next run: $(cat "$T/err")"
			same "$call $at: $(stands)" "$call $at: $(cat "$T/wanted")"
			same "$call $at: $(find "$T/run" -name '*.new*' -o -name '.voidclust*')" "$call $at: "
			faults=$((faults + 1))
			at=$((at - 1))
		done
	done
	[ "$faults" -gt 100 ] || fail "only $faults faults"
}
