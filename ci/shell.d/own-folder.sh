# Fetching what is a machine's own from its master, and laying it. Runs once: it tests
# a program, $LAY_OVERLAYS.
# shellcheck shell=dash disable=SC1090,SC1091,SC2034,SC2154,SC2317
# Files and functions that are sourced, and variables shared with them, are seen only
# when it runs.

mac=52:54:00:12:34:56
other=52:54:00:12:34:57

# The master's folders are in $T/master; the doubles of two programs show them, and no more.
program() {
	mkdir -p "$T/bin"
	{
		echo '#!/bin/sh'
		cat
	} >"$T/bin/$1"
	chmod 755 "$T/bin/$1"
}
program mount.nfs4 <<EOF
echo "\$*" >>$T/mounted
[ ! -e $T/down ] && cp -a $T/master/. "\$2"
EOF
program umount <<EOF
echo umount >>$T/mounted
rm -rf "\$2"/*
EOF
PATH="$T/bin:$PATH"

lay() {
	# shellcheck disable=SC2086 # a command and its words
	VOIDCLUST_RUN="$T/run" VOIDCLUST_LOWER="$T/lower" VOIDCLUST_SYS="$T/sys" \
		VOIDCLUST_CMDLINE="$T/cmdline" VOIDCLUST_MOUNTINFO="$T/mountinfo" ${LAY_OVERLAYS:?} "$@"
}
fetch() { lay --fetch 10.0.0.1:/node; }

# What the master serves to the machine $1: a folder that says whose it is.
serves() { file "$T/master/$1/own/$1/whose" "$1"; }

mkdir -p "$T/master" "$T/etc" "$T/lower/etc/overlays"
echo "22 21 0:30 / $T/lower ro - nfs4 10.0.0.1:/root ro" >"$T/mountinfo"
echo "nfsown=10.0.0.1:/node BOOTIF=01-52-54-00-12-34-56" >"$T/cmdline"
card eth0 2 "$other"
card eth1 3 "$mac"

test_a_machine_fetches_what_is_its_own() {
	serves "$mac"
	serves default
	ok fetch
	same "$(cat "$T/run/own/$mac/whose")" "$mac"
	gone "$T/run/own/default"
	same "$(stat -c %a "$T/run/own")" 700
	gone "$T/run/own.new"
	same "$(grep -c umount "$T/mounted")" 1
	contains "$(cat "$T/mounted")" "10.0.0.1:/node $T/run/own.mounted -o ro,nfsvers=4,retry=0"
}

test_a_machine_that_is_not_listed_fetches_the_default() {
	serves default
	ok fetch
	same "$(cat "$T/run/own/default/whose")" default
}

test_a_folder_for_another_address_is_no_reason_to_take_the_default() {
	serves default
	mkdir "$T/master/$mac"
	refused fetch 2>"$T/err"
	contains "$(cat "$T/err")" "10.0.0.1:/node/$mac is not for the address of this machine"
	gone "$T/run/own"
	same "$(grep -c umount "$T/mounted")" 1
}

test_a_server_that_has_not_even_the_default_is_asked_again() {
	refused fetch 2>"$T/err"
	contains "$(cat "$T/err")" "10.0.0.1:/node/default is not for the address of this machine, or is not served yet"
}

test_the_boot_card_comes_first_and_another_card_may_be_somebody_elses() {
	serves "$mac"
	mkdir "$T/master/$other"
	ok fetch
	same "$(cat "$T/run/own/$mac/whose")" "$mac"
	contains "$(cat "$T/run/overlays.log")" "10.0.0.1:/node/$other is another machine's"
	serves "$other"
	ok fetch
	same "$(cat "$T/run/own/$mac/whose" "$T/run/own/$other/whose")" "$mac
$other"
}

test_a_card_that_the_master_knows_is_enough() {
	serves "$other"
	serves default
	ok fetch
	same "$(ls "$T/run/own")" "$other"
}

test_what_was_fetched_is_laid_and_not_what_the_lower_tree_has() {
	serves "$mac"
	file "$T/lower/etc/overlays/$mac/whose" lower
	ok lay "$T/etc"
	same "$(cat "$T/etc/whose")" lower
	ok fetch
	ok lay "$T/etc"
	same "$(cat "$T/etc/whose")" "$mac"
}

test_a_refresh_fetches_again() {
	serves "$mac"
	ok fetch
	ok lay "$T/etc"
	file "$T/master/$mac/own/$mac/whose" new
	file "$T/master/$mac/own/$mac/more" new
	contains "$(lay --dry-run "$T/etc")" ""
	same "$(cat "$T/etc/whose")" "$mac"
	contains "$(lay --refresh "$T/etc")" "changed whose"
	same "$(cat "$T/etc/whose" "$T/etc/more")" "new
new"
	rm "$T/master/$mac/own/$mac/more"
	same "$(lay --refresh "$T/etc")" "removed more"
}

test_a_refresh_that_cannot_fetch_takes_nothing_back() {
	serves "$mac"
	ok fetch
	ok lay "$T/etc"
	: >"$T/down"
	refused lay --refresh "$T/etc" 2>"$T/err"
	contains "$(cat "$T/err")" "so nothing was changed"
	same "$(cat "$T/etc/whose" "$T/run/own/$mac/whose")" "$mac
$mac"
}

test_a_machine_that_was_told_of_no_own_folder_lays_the_lower_trees() {
	: >"$T/cmdline"
	file "$T/lower/etc/overlays/$mac/whose" lower
	ok lay --refresh "$T/etc" >/dev/null
	same "$(cat "$T/etc/whose")" lower
	gone "$T/mounted"
}

test_the_master_lays_what_is_rendered_and_then_what_is_kept_by_hand() {
	echo "22 21 0:30 / $T/lower rw - ext4 /dev/sda1 rw" >"$T/mountinfo"
	: >"$T/cmdline"
	mkdir -p "$T/lower/var/lib/voidclust/nodes" "$T/made"
	for name in motd issue hostname; do file "$T/made/$name" rendered; done
	tar -cf "$T/lower/var/lib/voidclust/nodes/$mac.00-voidclust.tar" -C "$T/made" motd issue hostname
	file "$T/made/issue" kept
	tar -cf "$T/lower/etc/overlays/$mac.50-site.tar" -C "$T/made" issue
	file "$T/lower/etc/overlays/$mac/hostname" folder
	# One of an older version, which the next apply removes.
	file "$T/lower/etc/overlays/$mac.00-voidclust.tar" garbage
	ok lay "$T/etc"
	same "$(cat "$T/etc/motd" "$T/etc/issue" "$T/etc/hostname" | tr '\n' ' ')" "rendered kept folder "
	gone "$T/mounted"
}

test_without_either_folder_it_says_so() {
	: >"$T/cmdline"
	rm -r "$T/lower/etc/overlays"
	refused lay "$T/etc" 2>"$T/err"
	contains "$(cat "$T/err")" "cannot list $T/lower/etc/overlays"
}
