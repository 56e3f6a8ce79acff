# Laying overlays over /etc.
# shellcheck shell=dash disable=SC1090,SC1091,SC2034,SC2154,SC2317
# Files and functions that are sourced, and variables shared with them, are seen only
# when it runs.

mac=52:54:00:12:34:56

lay() {
	# shellcheck disable=SC2086 # a command and its words
	VOIDCLUST_RUN="$T/run" VOIDCLUST_LOWER="$T/lower" VOIDCLUST_SYS="$T/sys" \
		VOIDCLUST_CMDLINE="$T/cmdline" $TEST_SHELL "$overlays/lay-overlays" "$@"
}
boot() { lay "$T/overlays" "$T/etc" "$mac"; }
refresh() { lay --refresh "$T/overlays" "$T/etc" "$mac"; }

# An archive of that name from the files named after it, which are in $T/made.
archive() {
	archive="$T/overlays/$1"
	shift
	tar -cf "$archive" -C "$T/made" "$@"
}

mkdir -p "$T/overlays" "$T/etc" "$T/lower/etc" "$T/made"
file "$T/etc/hostname" shared
file "$T/lower/etc/hostname" shared
: >"$T/cmdline"

test_archives_come_in_name_order_and_the_folder_last() {
	file "$T/made/hostname" first
	file "$T/made/motd" first
	archive "$mac.00-voidclust.tar" hostname motd
	file "$T/made/hostname" second
	file "$T/made/issue" second
	archive "$mac.50-site.tar" hostname issue
	file "$T/overlays/$mac/issue" folder
	ok boot
	same "$(cat "$T/etc/hostname" "$T/etc/motd" "$T/etc/issue" | tr '\n' ' ')" "second first folder "
}

test_folders_win_over_archives_of_every_card() {
	file "$T/overlays/$mac/hostname" folder
	file "$T/made/hostname" archive
	archive "52:54:00:00:00:02.tar" hostname
	ok lay "$T/overlays" "$T/etc" "$mac" 52:54:00:00:00:02
	same "$(cat "$T/etc/hostname")" folder
}

test_default_is_for_machines_that_have_none() {
	file "$T/made/hostname" default
	archive default.00-voidclust.tar hostname
	file "$T/overlays/default/motd" default
	ok boot
	same "$(cat "$T/etc/hostname" "$T/etc/motd" | tr '\n' ' ')" "default default "
}

test_default_is_not_for_machines_that_have_one() {
	file "$T/overlays/default/hostname" default
	file "$T/overlays/$mac/motd" mine
	ok boot
	same "$(cat "$T/etc/hostname")" shared
}

test_copies_beside_an_archive_are_not_laid() {
	file "$T/made/hostname" edited
	archive "$mac.00-voidclust.tar.new-voidclust" hostname
	archive "$mac.tar~" hostname
	ok boot
	same "$(cat "$T/etc/hostname")" shared
}

test_mode_owner_and_links_are_kept() {
	file "$T/made/ssh/key" secret
	chmod 600 "$T/made/ssh/key"
	chmod 700 "$T/made/ssh"
	mkdir -p "$T/made/runit/default"
	ln -s /etc/sv/sshd "$T/made/runit/default/sshd"
	[ "$(id -u)" -ne 0 ] || chown 12:34 "$T/made/ssh/key"
	archive "$mac.tar" ssh runit
	ok boot
	same "$(stat -c '%a %u:%g' "$T/etc/ssh/key")" "$(stat -c '%a %u:%g' "$T/made/ssh/key")"
	same "$(stat -c %a "$T/etc/ssh")" 700
	same "$(readlink "$T/etc/runit/default/sshd")" /etc/sv/sshd
}

test_a_folder_keeps_its_mode_unless_the_overlay_means_another() {
	mkdir -p "$T/etc/wireguard" "$T/etc/ssh"
	chmod 700 "$T/etc/wireguard"
	[ "$(id -u)" -ne 0 ] || chown 12:34 "$T/etc/wireguard"
	before="$(stat -c '%a %u:%g' "$T/etc/wireguard")"
	file "$T/made/wireguard/wg0.conf" secret
	file "$T/made/ssh/key" secret
	chmod 700 "$T/made/ssh"
	# As voidclust makes its archives: the folder itself is no member.
	archive "$mac.00-voidclust.tar" wireguard/wg0.conf ssh
	# An overlay that says nothing of the folder's mode does not undo the one that does.
	file "$T/overlays/$mac/ssh/more" x
	boot >"$T/out"
	same "$(stat -c '%a %u:%g' "$T/etc/wireguard")" "$before"
	lacks "$(cat "$T/out")" "changed wireguard
"
	same "$(stat -c %a "$T/etc/ssh")" 700
	# What the shared root has comes back, though its mode is the usual one.
	mkdir -p "$T/lower/etc/ssh"
	rm -r "${T:?}/overlays"
	mkdir "$T/overlays"
	ok refresh
	same "$(stat -c %a "$T/etc/ssh")" 755
}

# The tar of busybox, which Void does not use here, neither looks at the compression
# nor shows names as they are. It leaves the dangerous part of a name away.
proper_tar() {
	tar --version 2>/dev/null | grep -Eq 'GNU|bsdtar' || skip "this tar is neither GNU's nor bsdtar"
}

test_compressed_archives_are_unpacked() {
	needs gzip
	proper_tar
	file "$T/made/hostname" small
	tar -czf "$T/overlays/$mac.site.tar.gz" -C "$T/made" ./hostname
	ok boot
	same "$(cat "$T/etc/hostname")" small
}

test_whiteout_removes_a_file_a_link_and_a_folder() {
	file "$T/etc/a" x
	ln -s nowhere "$T/etc/b"
	file "$T/etc/c/d/e" x
	file "$T/etc/c/f" x
	file "$T/etc/c/g.wh.h" x
	mkdir -p "$T/overlays/$mac/c"
	touch "$T/overlays/$mac/c/.wh.g.wh.h"
	touch "$T/overlays/$mac/.wh.a" "$T/overlays/$mac/.wh.b" "$T/overlays/$mac/c/.wh.d"
	boot | sort >"$T/out"
	same "$(tr '\n' ' ' <"$T/out")" "removed a removed b removed c/d removed c/g.wh.h "
	same "$(find "$T/etc" -mindepth 1 | sort | tr '\n' ' ')" "$T/etc/c $T/etc/c/f $T/etc/hostname "
}

test_a_later_whiteout_removes_what_an_earlier_overlay_brought() {
	file "$T/made/motd" early
	archive "$mac.tar" motd
	mkdir "$T/overlays/$mac"
	touch "$T/overlays/$mac/.wh.motd"
	ok boot
	gone "$T/etc/motd"
	gone "$T/etc/.wh.motd"
}

test_a_later_file_wins_over_an_earlier_whiteout() {
	file "$T/etc/motd" shared
	touch "$T/made/.wh.motd"
	archive "$mac.tar" .wh.motd
	file "$T/overlays/$mac/motd" mine
	ok boot
	same "$(cat "$T/etc/motd")" mine
}

test_whiteouts_that_name_the_folder_itself_are_refused() {
	mkdir -p "$T/made/sub" "$T/etc/sub"
	file "$T/etc/sub/kept" x
	for name in .wh. .wh.. .wh...; do
		touch "$T/made/sub/$name"
		archive "$mac.tar" sub
		refused boot 2>"$T/err"
		contains "$(cat "$T/err")" "nothing of $T/overlays/$mac.tar was used"
		rm "$T/made/sub/$name"
	done
	same "$(cat "$T/etc/sub/kept" "$T/etc/hostname" | tr '\n' ' ')" "x shared "
}

test_a_broken_archive_leaves_nothing_and_the_others_are_laid() {
	file "$T/made/hostname" broken
	head -c 100000 /dev/urandom >"$T/made/zeal"
	archive "$mac.10-broken.tar" hostname zeal
	head -c 40000 "$T/overlays/$mac.10-broken.tar" >"$T/cut"
	mv "$T/cut" "$T/overlays/$mac.10-broken.tar"
	file "$T/made/motd" good
	archive "$mac.20-good.tar" motd
	boot >"$T/out" 2>"$T/err" && fail "status 0"
	same $? 1
	contains "$(cat "$T/err")" "nothing of $T/overlays/$mac.10-broken.tar was used"
	contains "$(cat "$T/run/overlays.log")" "nothing of $T/overlays/$mac.10-broken.tar was used"
	same "$(cat "$T/etc/hostname" "$T/etc/motd" | tr '\n' ' ')" "shared good "
	gone "$T/etc/zeal"
	gone "$litter"
}

test_a_file_that_is_no_archive_is_reported() {
	file "$T/overlays/$mac.tar" "this is a letter"
	refused boot 2>"$T/err"
	contains "$(cat "$T/err")" "nothing of"
}

test_names_that_lead_out_of_etc_break_an_archive() {
	needs python3
	proper_tar
	for name in ../escaped /tmp/../escaped a/../../escaped; do
		python3 - "$T/overlays/$mac.tar" "$name" <<-'PY'
			import io, sys, tarfile
			with tarfile.open(sys.argv[1], "w") as archive:
			    for name in ("motd", sys.argv[2]):
			        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
		PY
		refused boot 2>"$T/err"
		contains "$(cat "$T/err")" "names that lead elsewhere"
		gone "$T/etc/motd"
		gone "$T/escaped"
	done
}

test_links_inside_an_archive_are_not_written_through() {
	needs python3
	mkdir "$T/outside"
	python3 - "$T/overlays/$mac.tar" "$T/outside" <<-'PY'
		import io, sys, tarfile
		with tarfile.open(sys.argv[1], "w") as archive:
		    link = tarfile.TarInfo("door")
		    link.type, link.linkname = tarfile.SYMTYPE, sys.argv[2]
		    archive.addfile(link)
		    archive.addfile(tarfile.TarInfo("door/thief"), io.BytesIO())
	PY
	boot >/dev/null 2>&1
	gone "$T/outside/thief"
}

test_devices_break_an_archive() {
	needs mkfifo
	mkfifo "$T/made/pipe"
	file "$T/made/motd" x
	archive "$mac.tar" motd pipe
	refused boot 2>"$T/err"
	contains "$(cat "$T/err")" "more than files, folders and links"
	gone "$T/etc/motd"
}

test_a_folder_over_a_link_inside_etc_goes_through_the_link() {
	mkdir "$T/etc/default"
	ln -s default "$T/etc/current"
	file "$T/overlays/$mac/current/sshd" x
	ok boot
	same "$(readlink "$T/etc/current")" default
	same "$(cat "$T/etc/default/sshd")" x
}

test_a_folder_over_a_link_out_of_etc_is_left_out() {
	mkdir "$T/outside"
	ln -s "$T/outside" "$T/etc/door"
	ln -s nowhere "$T/etc/dangling"
	file "$T/overlays/$mac/door/a/thief" x
	file "$T/overlays/$mac/dangling/x" x
	file "$T/overlays/$mac/motd" x
	refused boot 2>"$T/err"
	contains "$(cat "$T/err")" "door is a link"
	contains "$(cat "$T/err")" "dangling is a link"
	same "$(find "$T/outside" -mindepth 1)" ""
	same "$(readlink "$T/etc/dangling")" nowhere
	same "$(cat "$T/etc/motd")" x
}

test_a_file_replaces_a_link_and_not_what_it_leads_to() {
	file "$T/outside" precious
	ln -s "$T/outside" "$T/etc/resolv.conf"
	mkdir "$T/etc/default"
	ln -s default "$T/etc/current"
	file "$T/overlays/$mac/resolv.conf" mine
	ln -s single "$T/overlays/$mac/current"
	ok boot
	same "$(cat "$T/outside")" precious
	same "$(cat "$T/etc/resolv.conf")" mine
	same "$(readlink "$T/etc/current")" single
	same "$(find "$T/etc/default" -mindepth 1)" ""
}

test_a_file_does_not_replace_a_folder_that_holds_something() {
	file "$T/etc/ssl/certs" x
	mkdir "$T/etc/empty"
	file "$T/overlays/$mac/ssl" oops
	file "$T/overlays/$mac/empty" x
	refused boot 2>"$T/err"
	contains "$(cat "$T/err")" "ssl is a folder that holds something"
	same "$(cat "$T/etc/ssl/certs" "$T/etc/empty" | tr '\n' ' ')" "x x "
}

test_a_whiteout_beside_it_lets_a_file_replace_a_folder() {
	file "$T/etc/ssl/certs" x
	file "$T/overlays/$mac/ssl" meant
	touch "$T/overlays/$mac/.wh.ssl"
	ok boot
	same "$(cat "$T/etc/ssl")" meant
	same "$(boot)" ""
}

test_names_with_blanks_and_signs_are_laid() {
	file "$T/overlays/$mac/a b/%s \$x" x
	ok boot
	same "$(cat "$T/etc/a b/%s \$x")" x
}

test_the_machine_is_known_by_bootif_first_and_then_by_all_its_cards() {
	echo "ro BOOTIF=01-52-54-00-AB-00-09 quiet" >"$T/cmdline"
	card lan0 3 52:54:00:00:00:03
	card aaa 10 52:54:00:00:00:0a
	card wan0 2 52:54:00:00:00:02
	lay "$T/overlays" "$T/etc"
	same "$(tr '\n' ' ' <"$T/run/macs")" \
		"52:54:00:ab:00:09 52:54:00:00:00:02 52:54:00:00:00:03 52:54:00:00:00:0a "
}

test_a_card_that_changed_its_address_is_known_from_boot() {
	file "$T/overlays/52:54:00:00:00:02/hostname" node2
	card lan0 2 52:54:00:00:00:02
	ok lay "$T/overlays" "$T/etc"
	echo 52:54:00:00:00:ff >"$T/sys/class/net/lan0/address"
	same "$(lay --refresh "$T/overlays" "$T/etc")" ""
	same "$(cat "$T/etc/hostname")" node2
}

test_refresh_touches_only_what_changed() {
	file "$T/overlays/$mac/hostname" node
	file "$T/overlays/$mac/motd" old
	ok boot >/dev/null
	same "$(refresh)" ""
	before="$(stat -c %i "$T/etc/hostname")"
	echo new >"$T/overlays/$mac/motd"
	same "$(refresh)" "changed motd"
	same "$(stat -c %i "$T/etc/hostname")" "$before"
	chmod 600 "$T/overlays/$mac/motd"
	same "$(refresh)" "changed motd"
	same "$(stat -c %a "$T/etc/motd")" 600
}

test_refresh_takes_back_what_no_overlay_has_any_more() {
	file "$T/overlays/$mac/hostname" node
	file "$T/overlays/$mac/new/file" x
	file "$T/etc/hosts" shared
	file "$T/lower/etc/hosts" shared
	touch "$T/overlays/$mac/.wh.hosts"
	ok boot >/dev/null
	gone "$T/etc/hosts"
	rm -r "$T/overlays/$mac"
	mkdir "$T/overlays/$mac"
	refresh | sort >"$T/out"
	same "$(tr '\n' ' ' <"$T/out")" "changed hostname changed hosts removed new removed new/file "
	same "$(cat "$T/etc/hostname" "$T/etc/hosts" | tr '\n' ' ')" "shared shared "
	gone "$T/etc/new"
	same "$(refresh)" ""
}

test_refresh_leaves_a_folder_that_others_use() {
	file "$T/overlays/$mac/new/file" x
	ok boot >/dev/null
	file "$T/etc/new/other" x
	rm -r "$T/overlays/$mac/new"
	same "$(refresh)" "removed new/file"
	same "$(cat "$T/etc/new/other")" x
}

test_refresh_names_the_running_services_to_restart() {
	mkdir -p "$T/etc/runit/runsvdir/default"
	for service in dnsmasq nfs-server netmount; do
		ln -s "/etc/sv/$service" "$T/etc/runit/runsvdir/default/$service"
	done
	file "$T/overlays/$mac/hostname" node
	ok boot >/dev/null
	file "$T/overlays/$mac/sv/netmount/conf" x
	file "$T/overlays/$mac/dnsmasq.d/voidclust.conf" x
	file "$T/overlays/$mac/hosts" x
	file "$T/overlays/$mac/exports.d/voidclust.exports" x
	file "$T/overlays/$mac/ssh/sshd_config" x
	refresh | grep '^restart' | sort >"$T/out"
	same "$(tr '\n' ' ' <"$T/out")" "restart dnsmasq restart netmount restart nfs-server "
	ok lay --told dnsmasq netmount nfs-server
	same "$(refresh)" ""
}

test_services_that_nobody_told_are_named_again() {
	mkdir -p "$T/etc/runit/runsvdir/default"
	ln -s /etc/sv/sshd "$T/etc/runit/runsvdir/default/sshd"
	file "$T/overlays/$mac/ssh/sshd_config" x
	# A broken archive beside it, and a run that is killed while it writes.
	file "$T/overlays/$mac.50-site.tar" garbage
	refresh >"$T/out" 2>&1
	same $? 1
	contains "$(cat "$T/out")" "restart sshd"
	rm "$T/overlays/$mac.50-site.tar"
	same "$(refresh)" "restart sshd"
	ok lay --told ssh dnsmasq
	same "$(refresh)" "restart sshd"
	ok lay --told sshd dnsmasq
	same "$(refresh)" ""
}

test_boot_names_no_services() {
	mkdir -p "$T/etc/runit/runsvdir/default"
	ln -s /etc/sv/sshd "$T/etc/runit/runsvdir/default/sshd"
	file "$T/overlays/$mac/ssh/sshd_config" x
	lacks "$(boot)" restart
}

test_a_killed_run_leaves_no_litter_behind_the_next() {
	file "$T/overlays/$mac/hostname" node
	litter="$T/run/work"
	file "$litter/all/hostname" stale
	file "$litter/one/evil" stale
	ok boot
	same "$(cat "$T/etc/hostname")" node
	gone "$T/etc/evil"
	gone "$litter"
}

test_wrong_arguments_are_refused() {
	lay "$T/overlays" 2>"$T/err"
	same $? 2
	lay "$T/overlays" "$T/nothing" 2>"$T/err"
	same $? 2
	contains "$(cat "$T/err")" usage
}
