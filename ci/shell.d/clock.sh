# The core-service 01-aa-clock.sh, sourced the way stage 1 of runit does.
# shellcheck shell=dash disable=SC3013,SC1090,SC1091,SC2034,SC2154,SC2317
# Files, functions and variables that are sourced are seen only when it runs.

# A copy with its absolute paths below $T, in a process that has come to be at a time that is told.
stage1() {
	touch -d "@$1" "$T/self"
	msg_warn() { echo "WARNING: $*"; }
	date() {
		case "$1" in
		-s) echo "set to $2" >>"$T/told" ;;
		*) echo "1 January" ;;
		esac
	}
	: >"$T/told"
	sed "s|/run/|$T/run/|g; s|/proc/self|$T/self|" "$overlays/core-services/01-aa-clock.sh" >"$T/service.sh"
	. "$T/service.sh"
}

# A lower tree whose parts are of these times.
lower() {
	mkdir -p "$T/run/rootfs/lower/etc"
	touch -d "@$1" "$T/run/rootfs/lower/etc"
	[ -z "$2" ] || touch -d "@$2" "$T/run/rootfs/lower/.generation-7"
}

test_a_clock_before_the_root_was_made_is_set_to_that() {
	lower 1000000000 1700000000
	contains "$(stage1 5000)" "WARNING: the clock stands at 1 January, before the root was made"
	same "$(cat "$T/told")" "set to @1700000000"
}

test_a_live_tree_has_the_time_of_its_etc() {
	lower 1600000000 ""
	stage1 5000 >/dev/null
	same "$(cat "$T/told")" "set to @1600000000"
}

test_a_clock_that_may_be_right_is_left_alone() {
	lower 1000000000 1700000000
	same "$(stage1 1700000001)" ""
	same "$(cat "$T/told")" ""
}

test_what_the_clock_says_is_how_old_a_process_is() {
	touch -d "@$(($(date +%s) - 5))" "$T/before"
	touch -d "@$(($(date +%s) + 5))" "$T/after"
	ok [ /proc/self -nt "$T/before" ]
	ok [ "$T/after" -nt /proc/self ]
}

test_a_root_that_is_no_overlay_and_a_container_are_left_alone() {
	same "$(stage1 5)" ""
	lower 1000000000 1700000000
	same "$(IS_CONTAINER=1 && stage1 5)" ""
	same "$(cat "$T/told")" ""
}
