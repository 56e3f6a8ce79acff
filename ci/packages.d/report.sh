# shellcheck shell=bash
# Sourced by the parts of ci/packages: one line for each thing checked; ci/packages counts them.

ok() { printf 'ok: %s\n' "$*"; }
fail() { printf 'FAIL: %s\n' "$*"; }
skip() { printf 'skip: %s\n' "$*"; }

# A part that breaks off leaves checks unmade: it says where, whatever its output goes to at that moment. A subshell's
# failure is its parent's to tell.
set -E
exec 9>&1
trap '[[ $BASH_SUBSHELL -gt 0 ]] || fail "${0##*/} breaks off at line $LINENO, the rest was not checked: $BASH_COMMAND" >&9' ERR

# check WHAT COMMAND... - ok if the command succeeds; else its output, and FAIL
check() {
	local what=$1 output
	shift
	if output=$("$@" 2>&1); then
		ok "$what"
	else
		[[ -z $output ]] || printf '%s\n' "$output" | sed 's/^/    /'
		fail "$what"
	fi
}

# same WHAT EXPECTED-FILE ACTUAL-FILE
same() { check "$1" diff -u --label expected --label found "$2" "$3"; }

# In the order of their dependencies.
# shellcheck disable=SC2034 # for those who source this
packages=(voidclust cluster-overlays cluster-client-initcpio cluster-master)
