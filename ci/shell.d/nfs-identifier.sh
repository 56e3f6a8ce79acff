# The NFSv4 client identifier.
# shellcheck shell=dash disable=SC1090,SC1091,SC2034,SC2154,SC2317
# Files and functions that are sourced, and variables shared with them, are seen only
# when it runs.

# Runs the script in a subshell, so that its tools can be functions here.
identify() {
	(
		ip() { echo "$*" >>"$T/ip"; }
		modprobe() { echo "$*" >>"$T/modprobe"; }
		sleep() { echo tick >>"$T/slept"; }
		set -- "$T/sys" "$T/cmdline"
		. "$initcpio/nfs-identifier"
	)
}

machine() {
	file "$T/sys/fs/nfs/net/nfs_client/identifier" ''
	echo "loglevel=4 $1" >"$T/cmdline"
}

# What the image of an earlier scheme wrote for this address: md5sum of its file.
written() { cat "$T/sys/fs/nfs/net/nfs_client/identifier"; }
md5_of_52_54_00_12_34_56=7ade2409bb20a0c343d7346872d28f16

test_identifier_is_the_md5_of_the_address_file() {
	machine
	card eth0 2 52:54:00:12:34:56 1
	ok identify
	same "$(written)" "$(echo 52:54:00:12:34:56 | md5sum | cut -d' ' -f1)"
	same "$(written)" "$md5_of_52_54_00_12_34_56"
}

test_card_of_bootif_is_taken_whatever_its_name_and_index() {
	machine BOOTIF=01-52-54-00-12-34-56
	card eth0 2 52:54:00:00:00:01 1
	card lan7 9 52:54:00:12:34:56 ''
	ok identify
	same "$(written)" "$md5_of_52_54_00_12_34_56"
	same "$(cat "$T/ip")" "link set dev lan7 up"
}

# The link takes seconds to come up, and NFS one to load.
test_the_card_looks_for_its_switch_while_nfs_is_loaded() {
	machine BOOTIF=01-52-54-00-12-34-56
	rm "$T/sys/fs/nfs/net/nfs_client/identifier"
	card eth0 2 52:54:00:12:34:56 ''
	ip() { echo "ip $*" >>"$T/calls"; }
	modprobe() { echo "modprobe $*" >>"$T/calls"; }
	(
		set -- "$T/sys" "$T/cmdline"
		. "$initcpio/nfs-identifier"
	) 2>"$T/said"
	same "$(sed 's/modprobe .* nfsv4$/modprobe nfsv4/' "$T/calls")" "ip link set dev eth0 up
modprobe nfsv4"
}

test_bootif_may_be_in_capitals_or_without_hardware_type() {
	machine BOOTIF=52:54:00:AB:CD:EF
	card eth1 3 52:54:00:ab:cd:ef 0
	card eth0 2 52:54:00:00:00:01 1
	ok identify
	contains "$(identify)" "(of eth1)"
}

test_without_bootif_the_lowest_index_with_a_carrier_is_taken() {
	machine
	card aaa 4 52:54:00:00:00:04 1
	card bbb 3 52:54:00:12:34:56 1
	card ccc 2 52:54:00:00:00:02 ''
	ok identify
	same "$(written)" "$md5_of_52_54_00_12_34_56"
	contains "$(cat "$T/ip")" "link set dev ccc up"
	contains "$(cat "$T/ip")" "link set dev aaa down"
	lacks "$(cat "$T/ip")" "link set dev bbb down"
}

test_without_any_carrier_the_lowest_index_is_taken() {
	machine
	card eth1 10 52:54:00:00:00:10 0
	card eth0 9 52:54:00:12:34:56 ''
	ok identify
	same "$(written)" "$md5_of_52_54_00_12_34_56"
}

test_virtual_interfaces_are_no_cards() {
	machine
	card veth 1 52:54:00:00:00:01 1
	rmdir "$T/sys/class/net/veth/device"
	card eth0 2 52:54:00:12:34:56 0
	ok identify
	same "$(written)" "$md5_of_52_54_00_12_34_56"
}

test_waiting_for_links_and_cards_ends() {
	machine BOOTIF=01-52-54-00-00-00-99
	card eth0 2 52:54:00:12:34:56 0
	card eth1 3 52:54:00:00:00:02 0
	contains "$(identify 2>&1)" "no card has BOOTIF's address 52:54:00:00:00:99"
	same "$(grep -c . "$T/slept")" 20
}

test_a_machine_without_a_card_is_told_so() {
	machine
	said="$(identify 2>&1)" && fail "status 0"
	contains "$said" "no network card"
}

test_a_kernel_without_nfs_is_told_so() {
	machine
	rm "$T/sys/fs/nfs/net/nfs_client/identifier"
	card eth0 2 52:54:00:12:34:56 1
	said="$(identify 2>&1)" && fail "status 0"
	contains "$said" "is the module nfsv4 in the image?"
	contains "$(cat "$T/modprobe")" nfsv4
}

test_no_card_is_named_in_the_script() {
	lacks "$(cat "$initcpio/nfs-identifier" "$initcpio"/hooks/* "$overlays/core-services/03-aa-overlays.sh")" eth0
}
