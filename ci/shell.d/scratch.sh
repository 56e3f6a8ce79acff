# The program `scratch`, and the core-service 04-aa-scratch.sh that calls it.
# shellcheck shell=dash disable=SC1090,SC1091,SC2016,SC2034,SC2154,SC2317
# Files and variables that are sourced are seen only when it runs; the doubles have variables of their own.

# Disks are files here, each with what blkid would tell of it beside: TYPE, LABEL and so on.
disk() { # NAME [TYPE LABEL]
	mkdir -p "$T/dev"
	head -c 1048576 /dev/zero >"$T/dev/$1"
	[ -z "$2" ] || printf 'TYPE %s\nLABEL %s\n' "$2" "$3" >"$T/dev/$1.holds"
}

double() { # NAME SCRIPT
	mkdir -p "$T/bin"
	printf '#!/bin/sh\nT=%s\n%s\n' "$T" "$2" >"$T/bin/$1"
	chmod 755 "$T/bin/$1"
}

# What the lines say is done with doubles; `told` is what was changed.
scratch() { # LINE...
	printf '%s\n' "$@" | sed "s|^/dev/|$T/dev/|; s|	/scratch|	$T/scratch|" >"$T/tab"
	: >"$T/told"
	double blkid 'sed -n "s/^$3 //p" "$6.holds" 2>/dev/null'
	double wipefs 'if [ "$1" = -a ]; then echo "wipefs $2" >>"$T/told"; rm -f "$2.holds"; : >"$2"; else cat "$2.holds" 2>/dev/null; fi; exit 0'
	double mkfs.ext4 'for last; do :; done; echo "mkfs $last" >>"$T/told"; printf "TYPE ext4\nLABEL scratch\n" >"$last.holds"; exit "${broken:-0}"'
	double mkswap 'echo "mkswap $3" >>"$T/told"; printf "TYPE swap\nLABEL scratch\n" >"$3.holds"'
	double e2fsck 'echo "e2fsck $2" >>"$T/told"; exit "${damaged:-0}"'
	double mount 'echo "mount $5 $6" >>"$T/told"'
	double swapon 'echo "swapon $1" >>"$T/told"'
	double mountpoint '[ -e "$T/mounted" ]'
	double sleep ''
	# Where busybox has programs of its own built in, these are asked first.
	sed "s|\[ -b |[ -f |; s|/dev/kmsg|$T/kmsg|; s|^label=|PATH=$T/bin:\$PATH; label=|; s|mount -t|$T/bin/mount -t|; s|said=\"\$(swapon|said=\"\$($T/bin/swapon|; s|\$(mkswap|\$($T/bin/mkswap|; s|mountpoint -q|$T/bin/mountpoint -q|; s|blkid -p|$T/bin/blkid -p|; s|\tsleep 1|\t:|" \
		"$overlays/scratch" >"$T/scratch.sh"
	$TEST_SHELL "$T/scratch.sh" "$T/tab" 2>"$T/said"
	status=$?
	sed -i "s|$T||g" "$T/told" "$T/said"
}

test_an_empty_disk_is_formatted_and_mounted() {
	disk sda
	disk sdb
	scratch "/dev/sda	/scratch" "/dev/sdb	swap"
	same "$status" 0
	same "$(cat "$T/told")" "mkfs /dev/sda
mount /dev/sda /scratch
mkswap /dev/sdb
swapon /dev/sdb"
	same "$(stat -c %a "$T/scratch")" 1777
}

test_what_was_made_before_is_kept_and_checked() {
	disk sda ext4 scratch
	disk sdb swap scratch
	scratch "/dev/sda	/scratch	wipe" "/dev/sdb	swap	wipe"
	same "$status" 0
	same "$(cat "$T/told")" "e2fsck /dev/sda
mount /dev/sda /scratch
swapon /dev/sdb"
	lacks "$(stat -c %a "$T/scratch")" 1777
}

test_what_somebody_left_is_never_touched() {
	disk sda ntfs Windows
	disk sdb ext4 data
	disk sdc
	printf 'no signature' | dd of="$T/dev/sdc" conv=notrunc 2>/dev/null
	disk sdd swap other
	scratch "/dev/sda	/scratch" "/dev/sdb	/scratch" "/dev/sdc	/scratch" "/dev/sdd	swap"
	same "$status" 1
	same "$(cat "$T/told")" ""
	contains "$(cat "$T/said")" "/dev/sda holds ntfs that was not made for scratch, and stays as it is; to have it overwritten say wipe = true"
	contains "$(cat "$T/said")" "/dev/sdc holds something that"
	contains "$(cat "$T/said")" "/dev/sdd holds swap that"
	contains "$(cat "$T/kmsg")" "<4>scratch: "
}

test_the_key_of_a_disk_may_lie_elsewhere() {
	# No signature at all, and the first megabyte is not zeros only at its end.
	disk sda
	printf x | dd of="$T/dev/sda" bs=1 seek=1048575 conv=notrunc 2>/dev/null
	scratch "/dev/sda	/scratch"
	same "$(cat "$T/told")" ""
}

test_it_is_overwritten_when_that_is_said() {
	disk sda ntfs Windows
	scratch "/dev/sda	/scratch	wipe"
	same "$status" 0
	same "$(cat "$T/told")" "wipefs /dev/sda
mkfs /dev/sda
mount /dev/sda /scratch"
}

test_a_missing_disk_is_told_and_the_next_is_taken() {
	disk sdb
	scratch "# comment" "" "/dev/sda	/scratch" "/dev/sdb	/scratch"
	same "$status" 1
	same "$(cat "$T/said")" "scratch: /dev/sda is not there"
	contains "$(cat "$T/told")" "mount /dev/sdb /scratch"
}

test_a_damaged_file_system_is_not_mounted() {
	disk sda ext4 scratch
	export damaged=4
	scratch "/dev/sda	/scratch"
	contains "$(cat "$T/said")" "is damaged; repair it"
	lacks "$(cat "$T/told")" mount
	export damaged=1
	scratch "/dev/sda	/scratch"
	contains "$(cat "$T/told")" mount
}

test_what_cannot_be_formatted_is_not_mounted() {
	disk sda
	export broken=1
	scratch "/dev/sda	/scratch"
	contains "$(cat "$T/said")" "/dev/sda cannot be formatted"
	lacks "$(cat "$T/told")" mount
}

test_what_is_mounted_already_stays_so() {
	disk sda
	: >"$T/mounted"
	scratch "/dev/sda	/scratch"
	same "$status" 0
	same "$(cat "$T/told")" ""
}

stage1() { # TYPE OF THE LOWER TREE
	file "$T/proc/mountinfo" "40 30 0:42 / $T/run/rootfs/lower ro - $1 x ro"
	msg() { echo "=> $*"; }
	msg_warn() { echo "WARNING: $*"; }
	scratch_double() {
		echo "scratch $*"
		return "${broken:-0}"
	}
	sed "s|/etc/|$T/etc/|g; s|/run/|$T/run/|g; s|/proc/self/|$T/proc/|; s|/usr/libexec/voidclust/scratch|scratch_double|" \
		"$overlays/core-services/04-aa-scratch.sh" >"$T/service.sh"
	. "$T/service.sh"
}

test_the_service_calls_it_on_clients_that_have_disks() {
	same "$(stage1 nfs4)" ""
	file "$T/etc/scratchtab" x
	contains "$(stage1 nfs4)" "scratch $T/etc/scratchtab"
	same "$(stage1 ext4)" ""
	same "$(IS_CONTAINER=1 && stage1 nfs4)" ""
	broken=1
	contains "$(stage1 nfs)" "WARNING: not all of them are in use"
}
