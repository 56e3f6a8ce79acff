# Runs one test: TEST_SHELL lib.sh FILE TEST. Each is a process with a folder of its
# own, $T, and has what a hook finds in an initramfs as functions that tell on it.
# shellcheck shell=dash disable=SC2034 # what the tests use

initcpio=srcpkgs/cluster-client-initcpio/files
overlays=srcpkgs/cluster-overlays/files

fail() {
	echo "$*"
	exit 1
}
skip() {
	echo "$*"
	exit 77
}

# ash has no pipefail, the tests no pipes that matter.
ok() { "$@" || fail "status $? of: $*"; }
refused() { ! "$@" || fail "succeeded: $*"; }
same() { [ "$1" = "$2" ] || fail "want: $2
 got: $1"; }
contains() {
	case "$1" in
	*"$2"*) ;;
	*) fail "no '$2' in: $1" ;;
	esac
}
lacks() {
	case "$1" in
	*"$2"*) fail "'$2' is in: $1" ;;
	esac
}
gone() { ! is_there "$1" || fail "$1 is there"; }
is_there() { [ -e "$1" ] || [ -L "$1" ]; }
file() { mkdir -p "$(dirname "$1")" && printf '%s\n' "$2" >"$1"; }
needs() { command -v "$1" >/dev/null || skip "$1 is not installed"; }

# init_functions of mkinitcpio, as far as the hooks use it.
msg() { echo "$@"; }
err() { echo "ERROR: $*"; }
getarg() {
	value="$(sed -n "s/^$1=//p" "$T/cmdline" | tail -n 1)"
	echo "${value:-$2}"
}
launch_interactive_shell() {
	echo "SHELL"
	exit 3
}

# Physical cards of a machine: NAME INDEX MAC CARRIER, CARRIER empty when it is down.
card() {
	mkdir -p "$T/sys/class/net/$1/device"
	echo "$2" >"$T/sys/class/net/$1/ifindex"
	echo "$3" >"$T/sys/class/net/$1/address"
	echo "$4" >"$T/sys/class/net/$1/carrier"
}

T="$(mktemp -d)" || exit 1
trap 'rm -rf "$T"' EXIT
: >"$T/cmdline"
if [ -n "$2" ]; then
	# shellcheck disable=SC1090 # the file of the test
	. "./$1"
	"$2"
fi
