# The late hook overlayfs.
# shellcheck shell=dash disable=SC1090,SC1091,SC2034,SC2154,SC2317
# Files and functions that are sourced, and variables shared with them, are seen only
# when it runs.

load() {
	. "$initcpio/hooks/overlayfs"
	overlayfs_new_root="$T/new_root"
	overlayfs_run="$T/rootfs"
	mkdir "$T/new_root"
	modprobe() { :; }
	grep -qw overlay /proc/filesystems || skip "this kernel has no overlay"
}

# A root file system with a file and a /usr of its own.
plain_root() {
	ok mount -t tmpfs lower "$T/new_root"
	file "$T/new_root/etc/hostname" shared
}

test_mounted_root_becomes_the_lower_tree() {
	load && plain_root
	run_latehook
	same "$(cat "$T/new_root/etc/hostname")" shared
	echo mine >"$T/new_root/etc/hostname"
	same "$(cat "$T/rootfs/lower/etc/hostname")" shared
	same "$(stat -c %a "$T/new_root")" 755
	contains "$(grep "overlay $T/new_root " /proc/mounts)" "upperdir=$T/rootfs/cowspace/upper"
}

test_mounted_separate_usr_is_seen_through_the_overlay() {
	load && plain_root
	mkdir "$T/new_root/usr"
	ok mount -t tmpfs usr "$T/new_root/usr"
	file "$T/new_root/usr/bin/init" program
	run_latehook
	same "$(cat "$T/new_root/usr/bin/init")" program
	echo mine >"$T/new_root/usr/bin/init"
	same "$(cat "$T/rootfs/lower/usr/bin/init")" program
}

test_mounted_read_only_lower_takes_changes_in_memory() {
	load && plain_root
	ok mount -o remount,ro "$T/new_root"
	run_latehook
	echo mine >"$T/new_root/etc/hostname"
	same "$(cat "$T/new_root/etc/hostname")" mine
	refused touch "$T/rootfs/lower/new"
}

test_mounted_size_and_mode_come_from_the_command_line() {
	load && plain_root
	printf '%s\n' overlay.size=8m overlay.mode=0700 >"$T/cmdline"
	run_latehook
	contains "$(grep "$T/rootfs/cowspace" /proc/mounts)" size=8192k
	same "$(stat -c %a "$T/rootfs/cowspace")" 700
	same "$(stat -c %a "$T/new_root")" 755
}

test_mounted_bad_size_does_not_keep_the_machine_from_booting() {
	load && plain_root
	echo overlay.size=lots,exec >"$T/cmdline"
	contains "$(
		run_latehook 2>&1
		cat "$T/new_root/etc/hostname"
	)" shared
	lacks "$(overlayfs_size 2>/dev/null)" lots
}

test_sizes_that_cannot_work_are_bad() {
	load
	for size in 50% 100% 1% 4m 8M 4096k 4194304 1g 99999999999; do
		overlayfs_is_size "$size" || fail "$size is no size"
	done
	for size in '' 0 50 4194303 0% 101% 150% 3m 4095k 0m 010m 050% % m 1.5g 1t 5mm -1 8m,exec 'a b' 999999999999 99999999999999999999; do
		overlayfs_is_size "$size" 2>"$T/said" && fail "$size is a size"
		same "$(cat "$T/said")" ""
	done
}

# A root of 4 kB, and one without a limit, they were once.
test_mounted_size_without_a_unit_is_half_of_the_memory() {
	load && plain_root
	for size in 50 0; do
		echo "overlay.size=$size" >"$T/cmdline"
		said="$(overlayfs_size 2>&1 >"$T/size")"
		contains "$said" "overlay.size=$size is no size; using 50%"
		same "$(cat "$T/size")" 50%
	done
	run_latehook 2>/dev/null
	kib="$(df -kP "$T/rootfs/cowspace" | awk 'NR == 2 { print $2 }')"
	[ "$kib" -gt 65536 ] || fail "only $kib KiB"
}

test_modes_that_cannot_work_are_bad() {
	load
	for mode in 0 7 75 0855 rwx ''; do
		echo "overlay.mode=$mode" >"$T/cmdline"
		same "$(overlayfs_mode 2>/dev/null)" 0755
	done
}

test_mounted_overlay_off_boots_the_plain_root() {
	load && plain_root
	echo overlay=off >"$T/cmdline"
	run_latehook
	gone "$T/rootfs/lower"
	echo kept >"$T/new_root/etc/hostname"
	same "$(cat "$T/new_root/etc/hostname")" kept
}

test_mounted_failed_overlay_says_so_and_gives_a_shell_with_the_plain_root() {
	load && plain_root
	overlayfs_options=no_such_option=1
	launch_interactive_shell() {
		same "$(cat "$T/new_root/etc/hostname")" shared
		lacks "$(cat /proc/mounts)" "$T/rootfs"
		echo SHELL
		exit 3
	}
	said="$(run_latehook 2>&1)"
	same $? 3
	contains "$said" "ERROR: overlayfs: could not mount the overlay"
	contains "$said" SHELL
}

test_mounted_shell_can_boot_the_plain_root() {
	load && plain_root
	overlayfs_options=no_such_option=1
	launch_interactive_shell() { echo overlay=off >>"$T/cmdline"; }
	run_latehook >/dev/null 2>&1 || fail "status $?"
	same "$(cat "$T/new_root/etc/hostname")" shared
}

test_mounted_shell_left_tries_again() {
	load && plain_root
	good="$overlayfs_options"
	overlayfs_options=no_such_option=1
	launch_interactive_shell() { overlayfs_options="$good"; }
	run_latehook >/dev/null 2>&1 || fail "status $?"
	contains "$(cat /proc/mounts)" "overlay $T/new_root "
	same "$(cat "$T/new_root/etc/hostname")" shared
}

test_each_step_that_fails_is_named() {
	load
	mount() { refuse "$@"; }
	umount() { :; }
	refuse() { case "$*" in *"$step"*) return 1 ;; esac }
	step=tmpfs
	contains "$(overlayfs_lay "$T/new_root")" "could not mount the tmpfs"
	step=--move
	contains "$(overlayfs_lay "$T/new_root")" "could not move the root file system"
	step=lowerdir
	contains "$(overlayfs_lay "$T/new_root")" "could not mount the overlay"
	overlayfs_run="$T/cmdline"
	contains "$(overlayfs_lay "$T/new_root" 2>/dev/null)" "could not make the folders"
	grep() { return 1; }
	contains "$(overlayfs_lay "$T/new_root")" "could not load the kernel module"
}
