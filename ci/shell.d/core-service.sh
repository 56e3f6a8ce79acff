# The core-service 03-aa-overlays.sh, sourced the way stage 1 of runit does.
# shellcheck shell=dash disable=SC1090,SC1091,SC2034,SC2154,SC2317
# Files and functions that are sourced, and variables shared with them, are seen only
# when it runs.

# What is mounted below the overlay; "" for a plain root.
root_is() {
	file "$T/proc/mountinfo" "21 1 0:20 / / rw - overlay overlay rw
${1:+40 30 0:42 / $T/run/rootfs/lower ro,relatime shared:1 - $1 source ro}"
}

# A copy with its absolute paths below $T, and the commands of stage 1 as functions.
stage1() {
	mkdir -p "$T/etc" "$T/run/voidclust"
	[ -f "$T/proc/mountinfo" ] || root_is tmpfs
	sed "s|modules-load\$|modules_load|; s|/etc/|$T/etc/|g; s|/run/|$T/run/|g; s|/proc/self/|$T/proc/|g; s|/usr/libexec/voidclust/lay-overlays|lay_overlays|; s|lay_overlays /etc |lay_overlays $T/etc |" \
		"$overlays/core-services/03-aa-overlays.sh" >"$T/service.sh"
	# As runit has them: the text is the format.
	# shellcheck disable=SC2059
	msg() { printf "=> $*\n"; }
	# shellcheck disable=SC2059
	msg_warn() { printf "WARNING: $*\n"; }
	modules_load() { echo "loading"; }
	udevadm() { echo "udevadm $*"; }
	lay_overlays() {
		echo "lay $*"
		printf '%s\n' "$changes" >"$T/run/voidclust/changes"
		return "${broken:-0}"
	}
	# shellcheck disable=SC1091 # made here
	. "$T/service.sh"
}

test_overlays_are_laid_over_etc() {
	stage1 >"$T/out"
	contains "$(cat "$T/out")" "lay $T/etc"
	lacks "$(cat "$T/out")" WARNING
	lacks "$(cat "$T/out")" udevadm
}

test_a_container_is_left_alone() {
	IS_CONTAINER=1
	same "$(stage1)" ""
}

test_a_plain_root_is_left_alone() {
	root_is ""
	lacks "$(stage1)" "lay "
	contains "$(stage1)" "The root is no overlay"
}

test_what_was_left_out_is_said_and_the_boot_goes_on() {
	broken=1
	contains "$(
		stage1
		echo on
	)" "WARNING: not all of it was laid"
	contains "$(
		stage1
		echo on
	)" on
}

test_rc_conf_of_an_overlay_is_read_again() {
	changes='changed rc.conf'
	file "$T/etc/rc.conf" KEYMAP=overlay
	stage1 >/dev/null
	same "$KEYMAP" overlay
}

test_rc_conf_of_nobody_is_not_read_again() {
	changes='changed sv/x/rc.conf'
	file "$T/etc/rc.conf" 'fail "was read"'
	stage1 >/dev/null
}

test_modules_and_udev_rules_of_an_overlay_are_used() {
	changes='changed modules-load.d/site.conf
changed udev/rules.d/70-site.rules'
	stage1 >"$T/out"
	contains "$(cat "$T/out")" loading
	contains "$(cat "$T/out")" "udevadm control --reload"
	contains "$(cat "$T/out")" "udevadm settle"
}

test_it_leaves_no_variable_and_never_exits() {
	changes='changed rc.conf'
	file "$T/etc/rc.conf" ''
	stage1 >/dev/null
	set | sed -n 's/^\([A-Za-z_0-9]*\)=.*/\1/p' | grep -v '^_$' | sort >"$T/before"
	stage1 >/dev/null
	set | sed -n 's/^\([A-Za-z_0-9]*\)=.*/\1/p' | grep -v '^_$' | sort >"$T/after"
	same "$(cat "$T/after")" "$(cat "$T/before")"
	lacks "$(cat "$overlays/core-services/03-aa-overlays.sh")" exit
	same "$(sed -n 's/^[[:space:]]*\([a-z_]*\)=.*/\1/p' "$overlays/core-services/03-aa-overlays.sh")" ""
}

test_a_missing_mount_point_is_made_also_at_the_end_of_a_link() {
	mkdir -p "$T/etc" "$T/there"
	# busybox's own readlink finds no way to what is not there.
	readlink -m / >/dev/null 2>&1 || mkdir -p "$T/data/a/home"
	ln -s "$T/data/a/home" "$T/home"
	{
		echo "#nas:/off $T/off nfs4 rw 0 0"
		echo "# $T/off is not wanted"
		echo "tmpfs $T/there tmpfs rw 0 0"
		echo "	nas:/work	$T/far/work	nfs4	rw	0 0"
		echo "nas:/home $T/home nfs4 rw 0 0"
		echo "/dev/sda1 none swap sw 0 0"
		printf 'nas:/last %s nfs4 rw 0 0' "$T/last"
	} >"$T/etc/fstab"
	stage1 >"$T/out" 2>&1
	for made in far/work data/a/home last; do [ -d "$T/$made" ] || fail "$made was not made"; done
	gone "$T/off"
	lacks "$(cat "$T/out")" mkdir
}

test_the_seed_that_all_nodes_share_is_not_credited() {
	stage1 >/dev/null
	same "$(sh -c 'echo "$SEEDRNG_SKIP_CREDIT"')" true
}

test_an_rc_conf_of_an_overlay_may_have_the_seed_credited() {
	changes='changed rc.conf'
	file "$T/etc/rc.conf" SEEDRNG_SKIP_CREDIT=false
	stage1 >/dev/null
	same "$(sh -c 'echo "$SEEDRNG_SKIP_CREDIT"')" false
}

test_the_seed_of_a_plain_root_is_its_own() {
	root_is ""
	unset SEEDRNG_SKIP_CREDIT
	stage1 >/dev/null
	same "$(sh -c 'echo "$SEEDRNG_SKIP_CREDIT"')" ""
}

# What Void's 03-filesystems.sh does with ZFS, in the same shell.
zfs_service() {
	mkdir -p "$T/bin"
	for program in zpool zfs; do
		printf '#!/bin/sh\necho "%s $*" >>"%s"\n' "$program" "$T/told" >"$T/bin/$program"
		chmod 755 "$T/bin/$program"
	done
	PATH="$T/bin:$PATH"
	zpool import -N -a -c /etc/zfs/zpool.cache
	zfs mount -a -l
	zfs share -a
}

test_a_client_imports_no_pool_and_its_site_may_later() {
	for kind in nfs nfs4; do
		root_is "$kind"
		stage1 >/dev/null
		zfs_service >"$T/out"
		gone "$T/told"
		contains "$(cat "$T/out")" "Not on a client"
		zpool import tank
		zfs mount tank/a
		same "$(cat "$T/told")" "zpool import tank
zfs mount tank/a"
		rm "$T/told"
	done
}

test_the_master_imports_its_pools() {
	root_is zfs
	stage1 >/dev/null
	zfs_service
	contains "$(cat "$T/told")" "zpool import -N -a"
	contains "$(cat "$T/told")" "zfs share -a"
}

test_no_program_is_started_but_ours() {
	changes='changed hostname'
	root_is nfs4
	stage1 >/dev/null
	file "$T/etc/fstab" "tmpfs $T tmpfs rw 0 0"
	said="$(
		# shellcheck disable=SC2123 # no program is found
		PATH="$T/nothing"
		. "$T/service.sh" 2>&1
	)"
	lacks "$said" "not found"
	contains "$said" "lay $T/etc"
}

test_the_function_for_the_device_nodes_is_gone_behind_it() {
	kmod() { echo "was called"; }
	stage1 >/dev/null
	lacks "$(kmod --version 2>&1)" "was called"
}
