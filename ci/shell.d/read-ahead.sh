# The core-service 99-aa-read-ahead.sh, sourced the way stage 1 of runit does.
# shellcheck shell=dash disable=SC1090,SC1091,SC2034,SC2154,SC2317
# Files, functions and variables that are sourced are seen only when it runs.

# A copy with its absolute paths below $T.
stage1() {
	msg_warn() { echo "WARNING: $*"; }
	sed "s|/run/|$T/run/|g" "$overlays/core-services/99-aa-read-ahead.sh" >"$T/service.sh"
	. "$T/service.sh"
}

# What the initramfs left.
small() {
	rule="$T/run/udev/rules.d/99-root-read-ahead.rules"
	file "$T/read_ahead_kb" 32
	file "$T/run/voidclust/read-ahead" "$T/read_ahead_kb 128"
	file "$rule" rule
}

test_what_the_initramfs_made_smaller_is_as_it_was() {
	small
	same "$(stage1)" ""
	same "$(cat "$T/uevent")" add
	same "$(cat "$T/read_ahead_kb")" 128
	gone "$rule"
	gone "$T/run/voidclust/read-ahead"
}

test_what_cannot_be_set_is_told() {
	small
	file "$T/run/voidclust/read-ahead" "$T/no/read_ahead_kb 128"
	contains "$(stage1 2>/dev/null)" "WARNING: the read-ahead of the root stays small"
}

test_a_machine_without_it_and_a_container_are_left_alone() {
	same "$(stage1)" ""
	small
	same "$(IS_CONTAINER=1 && stage1)" ""
	same "$(cat "$T/read_ahead_kb")" 32
}
