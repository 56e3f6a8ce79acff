# The way to the root on the master.
# shellcheck shell=dash disable=SC1090,SC1091,SC2034,SC2154,SC2317
# Files and functions that are sourced, and variables shared with them, are seen only
# when it runs.

# The hook, with a clock that goes only when somebody sleeps.
load() {
	. "$initcpio/hooks/netroot"
	init=/sbin/init
	nfsroot=10.0.0.1:/root,ro,nfsvers=4.2
	nfs_server=10.0.0.1
	nfs_path=/root
	nfs_option=ro,nfsvers=4.2
	mkdir "$T/root"
	echo 0 >"$T/clock"
	netroot_uptime() { cat "$T/clock"; }
	netroot_deadline=600
	sleep() {
		echo "$1" >>"$T/slept"
		echo $(($(cat "$T/clock") + $1)) >"$T/clock"
	}
	# Bounding is tested by itself.
	netroot_bounded() {
		shift
		"$@"
	}
	netroot_has_address() { :; }
	netroot_mountinfo="$T/mountinfo"
	netroot_sys="$T/sys"
	netroot_run="$T/run"
	netroot_identify="$T/identify"
	identifier="$T/sys/fs/nfs/net/nfs_client/identifier"
	file "$identifier" 2b1f
	echo "30 1 0:25 / $T/root ro - nfs4 10.0.0.1:/root ro" >"$T/mountinfo"
	file "$T/sys/class/bdi/0:25/read_ahead_kb" 128
	mountpoint() { return 1; }
	reboot() {
		echo "REBOOT $*"
		exit 4
	}
	nfs_mount_handler() {
		echo "$nfs_option" >>"$T/tries"
		[ "$(grep -c . "$T/tries")" -gt "${fails:-0}" ] || return 32
		file "$1/usr/bin/runit-init" program
		chmod 755 "$1/usr/bin/runit-init"
		ln -sfn usr/bin "$1/sbin"
		ln -sfn runit-init "$1/usr/bin/init"
	}
}

test_a_good_root_is_mounted_at_once() {
	load
	ok netroot_mount_handler "$T/root" >"$T/out"
	gone "$T/slept"
	contains "$(cat "$T/out")" "mounted 10.0.0.1:/root"
}

test_a_failed_mount_is_retried_with_growing_pauses() {
	load
	fails=8
	ok netroot_mount_handler "$T/root" >"$T/out"
	same "$(tr '\n' ' ' <"$T/slept")" "1 2 4 8 16 30 30 30 "
	contains "$(cat "$T/out")" "ERROR: netroot: could not mount 10.0.0.1:/root from the server 10.0.0.1"
	contains "$(cat "$T/out")" "try 8 failed"
}

test_after_root_timeout_the_machine_reboots() {
	load
	fails=1000
	said="$(netroot_mount_handler "$T/root")"
	same $? 4
	contains "$said" "REBOOT -f"
	contains "$said" "not all that this machine needs came from 10.0.0.1"
	ok [ "$(cat "$T/clock")" -ge 600 ]
	ok [ "$(cat "$T/clock")" -lt 660 ]
}

test_rescue_gives_a_shell_instead_and_then_tries_again() {
	load
	fails=2
	echo rescue=y >"$T/cmdline"
	launch_interactive_shell() { echo SHELL; }
	ok netroot_mount_handler "$T/root" >"$T/out"
	same "$(grep -c '^SHELL$' "$T/out")" 2
	gone "$T/slept"
}

test_the_empty_pseudo_root_is_no_root() {
	load
	nfs_mount_handler() { echo >>"$T/tries"; }
	said="$(netroot_mount_handler "$T/root")"
	same $? 4
	contains "$said" "10.0.0.1:/root is empty: does 10.0.0.1 export it to this address?"
}

test_a_tree_without_init_is_no_root() {
	load
	nfs_mount_handler() { file "$1/home/alice/letter" dear; }
	said="$(netroot_mount_handler "$T/root")"
	same $? 4
	contains "$said" "it has no program /sbin/init"
}

identify() { # LINE...: what the script does that names this machine
	printf '%s\n' '#!/bin/sh' "echo >>'$T/identified'" "$@" >"$T/identify"
	chmod 755 "$T/identify"
}

test_a_machine_that_has_its_name_is_given_none() {
	load
	identify 'exit 1'
	ok netroot_mount_handler "$T/root" >"$T/out"
	gone "$T/identified"
}

test_a_card_that_came_late_gives_its_name_before_the_mount() {
	load
	echo '(null)' >"$identifier"
	identify "[ ! -e '$T/tries' ]" "[ \"\$(wc -l <'$T/identified')\" -eq 3 ] || exit 1" "echo 2b1f >'$identifier'"
	ok netroot_mount_handler "$T/root" >"$T/out"
	same "$(tr '\n' ' ' <"$T/slept")" "1 2 "
	contains "$(cat "$T/out")" "ERROR: netroot: without a name among the NFSv4 clients"
	same "$(wc -l <"$T/tries")" 1
}

test_a_name_on_the_command_line_is_one() {
	load
	echo '(null)' >"$identifier"
	file "$T/sys/module/nfs/parameters/nfs4_unique_id" n1
	identify 'exit 1'
	ok netroot_mount_handler "$T/root" >"$T/out"
	gone "$T/identified"
}

test_nothing_is_mounted_without_a_name() {
	load
	rm "$identifier"
	identify 'exit 0'
	said="$(netroot_mount_handler "$T/root")"
	same $? 4
	contains "$said" "REBOOT -f"
	gone "$T/tries"
}

test_an_image_without_a_script_for_the_name_has_its_own_way() {
	load
	rm "$identifier"
	ok netroot_mount_handler "$T/root" >"$T/out"
}

test_a_boot_reads_less_ahead_and_tells_what_was() {
	load
	echo "31 1 0:26 / $T/root/home rw - nfs4 10.0.0.1:/home rw" >>"$T/mountinfo"
	lacks "$(netroot_mount_handler "$T/root")" ERROR
	same "$(cat "$T/sys/class/bdi/0:25/read_ahead_kb")" 32
	same "$(cat "$T/run/voidclust/read-ahead")" "$T/sys/class/bdi/0:25/read_ahead_kb 128"
	same "$(cat "$T/run/udev/rules.d/99-root-read-ahead.rules")" \
		'SUBSYSTEM=="bdi", KERNEL=="0:25", TEST=="/run/voidclust/read-ahead", ATTR{read_ahead_kb}="32"'
}

test_a_read_ahead_that_is_smaller_already_is_left_alone() {
	load
	echo 16 >"$T/sys/class/bdi/0:25/read_ahead_kb"
	lacks "$(netroot_mount_handler "$T/root")" ERROR
	same "$(cat "$T/sys/class/bdi/0:25/read_ahead_kb")" 16
	gone "$T/run/voidclust/read-ahead"
	gone "$T/run/udev/rules.d/99-root-read-ahead.rules"
}

test_a_read_ahead_that_cannot_be_set_is_told_and_the_boot_goes_on() {
	load
	rm -r "$T/sys"
	contains "$(netroot_mount_handler "$T/root" 2>/dev/null)" "ERROR: netroot: could not make the root's read-ahead smaller"
	ok netroot_mount_handler "$T/root" >/dev/null 2>&1
}

fetching() {
	load
	echo nfsown=10.0.0.2:/node >"$T/cmdline"
	netroot_lay_overlays=fetch
	fetch() {
		echo "$*" >>"$T/fetched"
		[ "$(grep -c . "$T/fetched")" -gt "${unserved:-0}" ]
	}
}

test_what_is_the_machines_own_is_fetched_after_the_root() {
	fetching
	ok netroot_mount_handler "$T/root" >"$T/out"
	same "$(cat "$T/fetched")" "--fetch 10.0.0.2:/node"
	gone "$T/slept"
}

test_without_its_own_a_machine_does_not_come_up() {
	fetching
	unserved=2
	ok netroot_mount_handler "$T/root" >"$T/out"
	same "$(tr '\n' ' ' <"$T/slept")" "1 2 "
	contains "$(cat "$T/out")" "could not fetch what is this machine's own from 10.0.0.2:/node"
	unserved=1000
	said="$(netroot_mount_handler "$T/root")"
	same $? 4
	contains "$said" "REBOOT -f"
}

test_a_master_that_serves_nothing_to_single_machines_is_not_asked() {
	fetching
	: >"$T/cmdline"
	ok netroot_mount_handler "$T/root" >"$T/out"
	gone "$T/fetched"
}

test_init_is_looked_for_inside_the_new_root() {
	load
	mkdir -p "$T/root/usr/bin" "$T/root/etc"
	# To the shell this is the sh of the machine that looks.
	ln -s /bin/sh "$T/root/init"
	refused netroot_has_program "$T/root" /init
	file "$T/root/usr/bin/sh" program
	ln -s usr/bin "$T/root/bin"
	refused netroot_has_program "$T/root" /init
	chmod 755 "$T/root/usr/bin/sh"
	ok netroot_has_program "$T/root" /init
	ln -s ../../../../bin/../bin//sh "$T/root/etc/init"
	ok netroot_has_program "$T/root" /etc/init
	ln -s loop "$T/root/loop"
	refused netroot_has_program "$T/root" /loop
	refused netroot_has_program "$T/root" /usr/bin
}

test_mounted_what_is_no_root_is_taken_off_again() {
	load
	unset -f mountpoint
	needs mountpoint
	nfs_mount_handler() { mount -t tmpfs wrong "$1"; }
	refused netroot_try "$T/root" >"$T/out"
	refused mountpoint -q "$T/root"
}

test_mount_is_told_version_4_and_not_to_repeat_in_silence() {
	load
	same "$(netroot_options ro,nfsvers=4.2)" ro,nfsvers=4.2,retry=0
	same "$(netroot_options ro)" nfsvers=4,ro,retry=0
	same "$(netroot_options '')" nfsvers=4,retry=0
	same "$(netroot_options vers=4.1,retry=1)" vers=4.1,retry=1
}

# A machine that has no address yet.
fake_net() {
	netroot_net() { echo net >>"$T/net"; }
	netroot_has_address() { return 1; }
}

test_the_network_is_tried_again_with_each_mount() {
	load && fake_net
	nfs_server=
	netroot_mount_and_check() { :; }
	netroot_net() {
		echo net >>"$T/net"
		[ "$(grep -c . "$T/net")" -lt 4 ] || {
			nfs_server=10.0.0.1
			netroot_has_address() { :; }
		}
	}
	ok netroot_mount_handler "$T/root" >"$T/out"
	same "$(grep -c . "$T/net")" 4
	contains "$(cat "$T/out")" "neither nfsroot= nor DHCP names a server"
}

test_the_hook_takes_over_from_net() {
	load && fake_net
	mount_handler=nfs_mount_handler
	root=/dev/nfs
	run_hook
	same "$mount_handler" netroot_mount_handler
	same "$netroot_deadline" 600
	# Or init would wait for a block device.
	same "$root" 10.0.0.1:/root
	same "$(cat "$T/net")" net
}

test_the_hook_leaves_a_local_root_alone() {
	load && fake_net
	nfsroot=
	mount_handler=zfs_mount_handler
	root=ZFS=tank/root
	run_hook
	same "$mount_handler" zfs_mount_handler
	gone "$T/net"
}

test_root_timeout_comes_from_the_command_line() {
	load
	echo root_timeout=30 >"$T/cmdline"
	same "$(netroot_timeout)" 30
	for seconds in soon 0 060 -5 999999 99999999999999999999; do
		echo "root_timeout=$seconds" >"$T/cmdline"
		same "$(netroot_timeout 2>/dev/null)" 600
	done
}

# Cards with addresses as ip(8) tells and takes them: $T/on-CARD has that of a card.
addresses() {
	. "$initcpio/hooks/netroot"
	netroot_sys="$T/sys"
	nfs_server=10.0.0.1
	card lan0 2 52:54:00:00:00:01 1
	: >"$T/on-lan0"
	ip() {
		dev="$*"
		dev="${dev#*dev }"
		dev="${dev%% *}"
		case "$*" in
		*flush*) : >"$T/on-$dev" ;;
		*) ! [ -s "$T/on-$dev" ] || echo "    inet $(cat "$T/on-$dev")/24 brd 10.0.0.255 scope global $dev" ;;
		esac
	}
}

test_the_address_of_another_card_counts_until_the_boot_card_is_there() {
	addresses
	BOOTIF=01-52-54-00-00-00-0A
	refused netroot_has_address
	echo 10.0.0.5 >"$T/on-lan0"
	ok netroot_has_address
	card lan1 3 52:54:00:00:00:0a 1
	: >"$T/on-lan1"
	refused netroot_has_address
	# A virtual function has the address of its card, and no other.
	card vf0 4 52:54:00:00:00:0a 1
	echo 10.0.0.5 >"$T/on-lan1"
	: >"$T/on-vf0"
	ok netroot_has_address
	nfs_server=
	refused netroot_has_address
}

test_without_a_boot_card_any_address_will_do() {
	addresses
	# A tunnel has none.
	card tun0 3 "" 1
	: >"$T/on-tun0"
	BOOTIF=
	refused netroot_has_address
	echo 10.0.0.5 >"$T/on-lan0"
	ok netroot_has_address
}

test_no_other_card_keeps_the_address_when_the_network_is_set_up_again() {
	addresses
	card lan1 3 52:54:00:00:00:0a 1
	echo 10.0.0.5 >"$T/on-lan0"
	echo 10.0.0.6 >"$T/on-lan1"
	netroot_hook_net="$T/net"
	echo "run_hook() { cat '$T/on-lan0' '$T/on-lan1'; }" >"$T/net"
	same "$(netroot_net)" ''
}

# The real thing, with real processes.
bounded() {
	. "$initcpio/hooks/netroot"
	needs pgrep
	needs seq
}

test_a_command_that_hangs_is_cut_off_with_all_it_started() {
	bounded
	hang() {
		sh -c 'echo $$ >"$1/pid"; sleep 60' - "$T"
		echo after >>"$T/after"
	}
	netroot_bounded 1 hang >"$T/out"
	same $? 124
	contains "$(cat "$T/out")" "cut off after 1 s: hang"
	# An orphan that nobody has waited for yet is over, too.
	case "$(sed 's/.*) //' "/proc/$(cat "$T/pid")/stat" 2>/dev/null)" in
	'' | Z*) ;;
	*) fail "what it started goes on" ;;
	esac
	gone "$T/after"
}

test_a_command_in_time_keeps_its_status() {
	bounded
	netroot_bounded 5 true
	same $? 0
	netroot_bounded 5 sh -c 'exit 32'
	same $? 32
}

test_ipconfig_that_asks_for_ever_is_cut_off() {
	bounded
	netroot_net_limit=1
	file "$T/bin/ipconfig" '#!/bin/sh
exec sleep 60'
	chmod 755 "$T/bin/ipconfig"
	PATH="$T/bin:$PATH"
	contains "$(ipconfig ip=:::)" "no network set up by ipconfig ip=:::"
}

test_the_marker_of_a_generation_stays_open() {
	load
	file "$T/root/.generation-3" 3
	ok netroot_mount_handler "$T/root" >"$T/out"
	same "$(readlink "/proc/self/fd/9")" "$(readlink -f "$T/root/.generation-3")"
	# Whatever is started from here on has it, init too.
	same "$(sh -c 'cat <&9')" 3
}

test_a_live_tree_has_no_marker() {
	load
	ok netroot_mount_handler "$T/root" >"$T/out"
	gone /proc/self/fd/9
}
