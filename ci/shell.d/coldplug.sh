# The drivers of the machine that boots.
# shellcheck shell=dash disable=SC1090,SC1091,SC2034,SC2154,SC2317
# Files and functions that are sourced, and variables shared with them, are seen only
# when it runs.

# The hook, with a modprobe that keeps what it was asked for, and a card that shows up
# on another bus once its controller has a driver.
load() {
	. "$initcpio/hooks/coldplug"
	coldplug_sys="$T/sys"
	coldplug_done="$T/done"
	modprobe() {
		[ "$1" = -qab ] || return 1
		shift
		printf '%s\n' "$@" -- >>"$T/asked"
		case "$*" in *"$(cat "$T/hangs" 2>/dev/null || echo no)"*) command sleep 5 ;; esac
		[ ! -f "$T/controller" ] || mv "$T/controller" "$T/sys/bus/virtio/devices/virtio0/uevent"
		return 1
	}
	sleep() { command sleep 0.1; }
	mkdir -p "$T/sys/bus/virtio/devices/virtio0"
}

soon() { # COMMAND...: it is true within two seconds
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		! "$@" 2>/dev/null || return 0
		command sleep 0.1
	done
	fail "not soon: $*"
}

device() { # BUS NAME ALIAS
	file "$T/sys/bus/$1/devices/$2/uevent" "DRIVER=
MODALIAS=$3
OF_NAME=x"
}

test_each_driver_is_asked_for_once_and_in_one_call() {
	load
	device pci 0000:00:01.0 pci:v00008086d0000100E
	device pci 0000:00:02.0 pci:v00008086d0000100E
	device platform fixed 'platform:Fixed MDIO bus'
	file "$T/sys/bus/pci/devices/none/uevent" DRIVER=pcieport
	coldplug_load coldplug_together
	same "$(cat "$T/asked")" 'pci:v00008086d0000100E
platform:Fixed MDIO bus
--'
}

test_what_a_driver_brings_gets_its_driver_too() {
	load
	device pci 0000:00:01.0 pci:v00001AF4
	echo MODALIAS=virtio:d00000001 >"$T/controller"
	coldplug_load coldplug_together
	same "$(tr '\n' ' ' <"$T/asked")" "pci:v00001AF4 -- pci:v00001AF4 virtio:d00000001 -- "
}

test_nothing_is_asked_for_where_there_is_nothing() {
	load
	coldplug_load coldplug_together
	gone "$T/asked"
}

test_the_boot_goes_on_when_drivers_are_loaded() {
	load
	device pci 0000:00:01.0 pci:v00001AF4
	run_hook >"$T/said" 2>&1
	same "$(cat "$T/asked" "$T/said")" 'pci:v00001AF4
--'
	run_cleanuphook
	ok [ -z "$(jobs -p)" ]
}

test_a_driver_that_hangs_keeps_neither_the_boot_nor_the_others() {
	load
	# shellcheck disable=SC2034 # read by the hook
	coldplug_limit=3
	device pci 0000:00:01.0 pci:v00001AF4
	device pci 0000:00:02.0 pci:v00008086
	echo v00008086 >"$T/hangs"
	run_hook >"$T/said" 2>&1
	same "$(cat "$T/said")" 'ERROR: coldplug: a driver takes long; going on, and loading the others beside it'
	soon grep -q '^pci:v00001AF4$' "$T/asked"
	# The card on that bus, whose driver is loaded though the other call still hangs.
	device virtio virtio0 virtio:d00000001
	soon grep -q '^virtio:d00000001$' "$T/asked"
	run_cleanuphook
	for watcher in $coldplug_watchers; do
		! kill -0 "$watcher" 2>/dev/null || fail "$watcher goes on"
	done
}

test_what_is_plugged_in_later_gets_its_driver_until_the_root_is_there() {
	load
	run_hook
	device usb 1-1:1.0 usb:v0BDAp8153
	soon [ -f "$T/asked" ]
	same "$(cat "$T/asked")" 'usb:v0BDAp8153
--'
	run_cleanuphook
	ok [ -z "$(jobs -p)" ]
}
