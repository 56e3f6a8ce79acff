# Laying overlays over /etc. Runs once: it tests a program, $LAY_OVERLAYS.
# shellcheck shell=dash disable=SC1090,SC1091,SC2034,SC2154,SC2317
# Files and functions that are sourced, and variables shared with them, are seen only
# when it runs.

mac=52:54:00:12:34:56

lay() {
	# shellcheck disable=SC2086 # a command and its words
	VOIDCLUST_RUN="$T/run" VOIDCLUST_LOWER="$T/lower" VOIDCLUST_SYS="$T/sys" \
		VOIDCLUST_CMDLINE="$T/cmdline" VOIDCLUST_MOUNTINFO="$T/mountinfo" ${LAY_OVERLAYS:?} "$@"
}
boot() { lay --from "$T/overlays" "$T/etc" "$mac"; }
lay_again() { lay --refresh --from "$T/overlays" "$T/etc" "$mac"; }
# The same, and before it the question what it would do: that has to be what it does, and asking may change nothing.
refresh() {
	find "$T/etc" "$T/run" "$T/lower" -printf '%p %M %U %T@ %C@ %l\n' 2>/dev/null | sort >"$T/dry.before"
	lay --dry-run --from "$T/overlays" "$T/etc" "$mac" >"$T/foreseen" 2>"$T/foreseen.err"
	foreseen=$?
	find "$T/etc" "$T/run" "$T/lower" -printf '%p %M %U %T@ %C@ %l\n' 2>/dev/null | sort >"$T/dry.after"
	cmp "$T/dry.before" "$T/dry.after" >&2 || echo "the dry run changed something" >&2
	lay_again >"$T/refreshed" 2>"$T/refreshed.err"
	refreshed=$?
	cat "$T/refreshed.err" >&2
	diff "$T/foreseen" "$T/refreshed" >&2 && diff "$T/foreseen.err" "$T/refreshed.err" >&2 &&
		[ "$foreseen" = "$refreshed" ] || exit 99
	cat "$T/refreshed"
	return "$refreshed"
}

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

# The lower tree of a client came over the network, that of the master did not.
root_is() {
	{
		echo "21 1 0:20 / / rw - overlay overlay rw"
		echo "22 21 0:30 / $T/lower rw,relatime shared:1 - $1 source rw"
	} >"$T/mountinfo"
}
root_is nfs4

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
	ok lay --from "$T/overlays" "$T/etc" "$mac" 52:54:00:00:00:02
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
	boot >/dev/null 2>&1
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
	mkdir -p "$T/overlays/$mac"
	ok refresh
	same "$(stat -c %a "$T/etc/ssh")" 755
}

test_compressed_archives_are_unpacked() {
	for program in gzip xz zstd bzip2; do
		command -v "$program" >/dev/null || continue
		file "$T/made/hostname" "$program"
		tar -cf "$T/plain" -C "$T/made" ./hostname
		"$program" -c <"$T/plain" >"$T/overlays/$mac.site.tar.z"
		ok boot
		same "$(cat "$T/etc/hostname")" "$program"
	done
	printf 'LZIP and more' >"$T/overlays/$mac.site.tar.z"
	PATH="$T" refused boot 2>"$T/err"
	contains "$(cat "$T/err")" "site.tar.z was used: cannot start \`lzip\`; is it installed?"
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
}

test_a_file_that_is_no_archive_is_reported() {
	file "$T/overlays/$mac.tar" "this is a letter"
	refused boot 2>"$T/err"
	contains "$(cat "$T/err")" "nothing of"
}

test_names_that_lead_out_of_etc_break_an_archive() {
	needs python3
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
	lay --from "$T/overlays" "$T/etc"
	same "$(tr '\n' ' ' <"$T/run/macs")" \
		"52:54:00:ab:00:09 52:54:00:00:00:02 52:54:00:00:00:03 52:54:00:00:00:0a "
}

test_a_master_waits_for_the_card_that_it_is_known_by() {
	file "$T/overlays/default/hostname" unlisted
	file "$T/overlays/52:54:00:00:00:02/hostname" master
	card lan0 2 52:54:00:00:00:03
	root_is ext4
	(sleep 1 && card usb0 3 52:54:00:00:00:02) &
	ok lay --from "$T/overlays" "$T/etc"
	wait
	same "$(cat "$T/etc/hostname")" master
	same "$(tr '\n' ' ' <"$T/run/macs")" "52:54:00:00:00:03 52:54:00:00:00:02 "
}

test_a_client_waits_for_no_card() {
	file "$T/overlays/default/hostname" unlisted
	file "$T/overlays/52:54:00:00:00:02/hostname" late
	card lan0 2 52:54:00:00:00:03
	(sleep 1 && card usb0 3 52:54:00:00:00:02) &
	ok lay --from "$T/overlays" "$T/etc"
	wait
	same "$(cat "$T/etc/hostname")" unlisted
}

test_a_card_whose_address_cannot_be_read_is_told() {
	card lan0 3 52:54:00:00:00:03
	card lan1 4 52:54:00:00:00:04
	rm "$T/sys/class/net/lan1/address"
	refused lay --from "$T/overlays" "$T/etc" 2>"$T/err"
	contains "$(cat "$T/err")" "cannot read $T/sys/class/net/lan1/address: No such file"
	same "$(cat "$T/run/macs")" 52:54:00:00:00:03
}

test_a_card_that_changed_its_address_is_known_from_boot() {
	file "$T/overlays/52:54:00:00:00:02/hostname" node2
	card lan0 2 52:54:00:00:00:02
	ok lay --from "$T/overlays" "$T/etc"
	echo 52:54:00:00:00:ff >"$T/sys/class/net/lan0/address"
	same "$(lay --refresh --from "$T/overlays" "$T/etc")" ""
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
	lay --from "$T/overlays" 2>"$T/err"
	same $? 2
	lay --from "$T/overlays" "$T/nothing" 2>"$T/err"
	same $? 2
	contains "$(cat "$T/err")" usage
}

# --- sources that cannot be read

# A node as it was booted, with what its two archives and its folder bring, and its shared root.
booted() {
	mkdir -p "$T/etc/runit/runsvdir/default"
	file "$T/made/hostname" node
	file "$T/made/ssh/key" secret
	ln -s /etc/sv/dnsmasq "$T/made/service"
	file "$T/made/motd" rendered
	archive "$mac.00-voidclust.tar" hostname ssh motd
	file "$T/made/motd" site
	archive "$mac.50-site.tar" motd
	file "$T/overlays/$mac/issue" folder
	ok boot >/dev/null
	find "$T/etc" -printf '%P %m %l\n' | sort >"$T/before"
}

stays() {
	find "$T/etc" -printf '%P %m %l\n' | sort >"$T/after"
	same "$(cat "$T/after")" "$(cat "$T/before")"
	same "$(cat "$T/etc/hostname" "$T/etc/motd" "$T/etc/issue" | tr '\n' ' ')" "node site folder "
}

test_a_refresh_takes_nothing_back_when_a_source_cannot_be_read() {
	booted
	for source in "$mac.00-voidclust.tar" "$mac.50-site.tar" "$mac"; do
		for harm in garbage empty cut dangling pipe kind; do
			mv "$T/overlays/$source" "$T/kept"
			bad="$T/overlays/$source"
			case "$harm" in
			garbage) file "$bad" garbage ;;
			empty) : >"$bad" ;;
			cut) head -c 512 "$T/overlays/$mac.00-voidclust.tar" >"$bad" 2>/dev/null || file "$bad" x ;;
			dangling) ln -s nowhere "$bad" ;;
			pipe) mkfifo "$bad" ;;
			kind) if [ -d "$T/kept" ]; then file "$bad" x; else mkdir "$bad"; fi ;;
			esac
			refresh >"$T/out" 2>"$T/err"
			same "$harm $source: status $?" "$harm $source: status 1"
			same "$(cat "$T/out")" ""
			contains "$(cat "$T/err")" "nothing of $bad was used: "
			contains "$(cat "$T/err")" "nothing that was laid before is taken back"
			contains "$(cat "$T/run/overlays.log")" "nothing of $bad was used: "
			stays
			rm -r "$bad"
			mv "$T/kept" "$bad"
			same "$(refresh)" ""
		done
	done
}

test_a_refresh_takes_nothing_back_when_there_is_no_source_at_all() {
	booted
	mv "$T/overlays" "$T/kept"
	refused refresh >"$T/out" 2>"$T/err"
	same "$(cat "$T/out")" ""
	contains "$(cat "$T/err")" "cannot list $T/overlays"
	stays
	mkdir "$T/overlays"
	refused refresh >"$T/out" 2>"$T/err"
	same "$(cat "$T/out")" ""
	contains "$(cat "$T/err")" "no overlay in $T/overlays is for $mac"
	contains "$(cat "$T/err")" "nothing that was laid before is taken back"
	stays
	# And then it is there again, with less in it.
	rmdir "$T/overlays"
	mv "$T/kept" "$T/overlays"
	rm "$T/overlays/$mac/issue"
	same "$(refresh)" "removed issue"
}

test_what_was_laid_while_a_source_could_not_be_read_is_taken_back_later() {
	booted
	file "$T/overlays/$mac.50-site.tar" garbage
	file "$T/overlays/$mac/new" x
	refused refresh >/dev/null 2>&1
	same "$(cat "$T/etc/new" "$T/etc/motd" | tr '\n' ' ')" "x site "
	rm -r "$T/overlays/$mac.50-site.tar" "$T/overlays/$mac/new"
	same "$(refresh | sort | tr '\n' ' ')" "changed motd removed new "
	same "$(cat "$T/etc/motd")" rendered
}

test_what_a_source_brought_is_known_after_a_run_that_found_none() {
	file "$T/made/hostname" lost
	archive "$mac.00-voidclust.tar" hostname
	file "$T/made/hostname" won
	archive "$mac.50-site.tar" hostname
	ok boot >/dev/null
	mv "$T/overlays" "$T/kept"
	refused refresh >/dev/null 2>&1
	mv "$T/kept" "$T/overlays"
	file "$T/overlays/$mac.50-site.tar" garbage
	refused refresh >/dev/null 2>&1
	same "$(cat "$T/etc/hostname")" won
}

test_what_a_source_that_cannot_be_read_brought_is_not_replaced_by_a_folder() {
	file "$T/overlays/$mac/app" mine
	file "$T/made/motd" x
	archive "$mac.00-voidclust.tar" motd
	ok boot >/dev/null
	mv "$T/overlays/$mac" "$T/kept"
	file "$T/overlays/$mac" garbage
	file "$T/made/app/conf" theirs
	archive "$mac.00-voidclust.tar" motd app
	refused refresh >/dev/null 2>&1
	same "$(cat "$T/etc/app")" mine
	rm "$T/overlays/$mac"
	mkdir "$T/overlays/$mac"
	touch "$T/overlays/$mac/.wh.app"
	ok refresh >/dev/null
	gone "$T/etc/app"
	rm -r "$T/overlays/$mac"
	file "$T/overlays/$mac" garbage
	refused refresh >/dev/null 2>&1
	gone "$T/etc/app"
	rm "$T/overlays/$mac"
	ok refresh >/dev/null
	same "$(cat "$T/etc/app/conf")" theirs
}

test_a_later_source_wins_over_one_that_cannot_be_read_now() {
	file "$T/made/hostname" rendered
	file "$T/made/motd" rendered
	file "$T/made/.wh.issue" ""
	archive "$mac.00-voidclust.tar" hostname motd .wh.issue
	file "$T/overlays/$mac/hostname" old
	file "$T/overlays/$mac/issue" old
	ok boot >/dev/null
	file "$T/overlays/$mac.00-voidclust.tar" garbage
	file "$T/overlays/$mac/hostname" new
	file "$T/overlays/$mac/issue" new
	touch "$T/overlays/$mac/.wh.motd"
	refused refresh >/dev/null 2>&1
	same "$(cat "$T/etc/hostname" "$T/etc/issue" | tr '\n' ' ')" "new new "
	gone "$T/etc/motd"
}

test_an_archive_is_whole_or_nothing_wherever_it_is_cut() {
	for name in a b c; do file "$T/made/$name" "$name"; done
	archive "$mac.tar" a b c
	mv "$T/overlays/$mac.tar" "$T/whole"
	for blocks in 0 1 2 3 4 5 6; do
		head -c $((blocks * 512)) "$T/whole" >"$T/overlays/$mac.tar"
		refused boot 2>"$T/err"
		contains "$(cat "$T/err")" "cut"
		same "$(ls "$T/etc")" hostname
	done
	head -c $((7 * 512)) "$T/whole" >"$T/overlays/$mac.tar"
	refused boot 2>"$T/err"
	head -c $((8 * 512)) "$T/whole" >"$T/overlays/$mac.tar"
	ok boot >/dev/null
	same "$(cd "$T/etc" && echo ./*)" "./a ./b ./c ./hostname"
	cat "$T/whole" "$T/whole" >"$T/overlays/$mac.tar"
	refused boot 2>"$T/err"
	contains "$(cat "$T/err")" "it goes on behind its end; join archives with tar -A"
}

test_what_cannot_be_a_source_is_said() {
	needs mkfifo
	ln -s nowhere "$T/overlays/$mac.10.tar"
	mkfifo "$T/overlays/$mac.20.tar"
	file "$T/overlays/$mac.30.d/motd" x
	ln -s "$mac.10.tar" "$T/overlays/$mac"
	refused boot >/dev/null 2>"$T/err"
	contains "$(cat "$T/err")" "$mac.10.tar was used: it is a dangling link"
	contains "$(cat "$T/err")" "$mac.20.tar was used: it is no file, but a pipe"
	contains "$(cat "$T/err")" "$mac.30.d was used: it is a folder; name it by the MAC alone"
	contains "$(cat "$T/err")" "$mac was used: it is a dangling link"
	rm "$T/overlays/$mac"
	file "$T/overlays/$mac" x
	refused boot >/dev/null 2>"$T/err"
	contains "$(cat "$T/err")" "$mac was used: it is a file; put a folder there, or name it $mac.NAME.tar"
}

test_sources_are_found_however_the_mac_is_spelled() {
	file "$T/overlays/52:54:00:AB:00:09/motd" capitals
	file "$T/made/issue" dashes
	archive 52-54-00-ab-00-09.tar issue
	ok lay --from "$T/overlays" "$T/etc" 52:54:00:ab:00:09
	same "$(cat "$T/etc/motd" "$T/etc/issue" | tr '\n' ' ')" "capitals dashes "
}

test_sources_that_are_links_are_followed() {
	file "$T/made/motd" shared
	archive all-nodes motd
	file "$T/overlays/all-folder/issue" shared
	ln -s all-nodes "$T/overlays/$mac.tar"
	ln -s all-folder "$T/overlays/$mac"
	ok boot
	same "$(cat "$T/etc/motd" "$T/etc/issue" | tr '\n' ' ')" "shared shared "
}

test_default_is_for_machines_whose_root_came_over_the_network() {
	file "$T/overlays/default/hostname" unlisted
	for kind in ext4 xfs btrfs zfs; do
		root_is "$kind"
		boot >"$T/out" 2>"$T/err"
		same $? 1
		contains "$(cat "$T/err")" "is for $mac, and the default is for clients"
		contains "$(cat "$T/err")" "set \`mac\` under [master]"
		same "$(cat "$T/etc/hostname")" shared
	done
	root_is nfs
	ok boot
	same "$(cat "$T/etc/hostname")" unlisted
	# It has its own again, and loses it again.
	file "$T/overlays/$mac/hostname" mine
	ok refresh >/dev/null
	rm -r "$T/overlays/$mac"
	root_is ext4
	refused refresh >"$T/out" 2>&1
	same "$(cat "$T/etc/hostname")" mine
}

test_a_client_for_which_there_is_nothing_says_so_and_a_lone_machine_does_not() {
	refused boot 2>"$T/err"
	contains "$(cat "$T/err")" "nor is there a default"
	root_is ext4
	same "$(boot 2>&1)" ""
}

# --- archives made by others

# Writes an archive by Python: each line of the standard input is `kind name target-or-text`.
forged() {
	needs python3
	python3 -c '
import io, sys, tarfile
kinds = {"file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "folder": tarfile.DIRTYPE, "pipe": tarfile.FIFOTYPE, "disk": tarfile.BLKTYPE}
with tarfile.open(sys.argv[1], "w") as archive:
    for line in sys.stdin:
        kind, name, rest = (line.rstrip("\n").split(" ", 2) + [""])[:3]
        member = tarfile.TarInfo(name.replace("%n", "\n"))
        member.type = kinds[kind]
        if kind in ("link", "hard"):
            member.linkname = rest
        member.size = len(rest) if kind == "file" else 0
        archive.addfile(member, io.BytesIO(rest.encode()))
' "$T/overlays/$mac.tar"
}

# The archive of standard input is refused for this reason, and nothing is changed anywhere.
is_refused() {
	forged
	mkdir -p "$T/outside"
	file "$T/outside/precious" precious
	find "$T/etc" "$T/outside" -printf '%p %m %l %T@\n' >"$T/before"
	refused boot >"$T/out" 2>"$T/err"
	same "$(cat "$T/out")" ""
	contains "$(cat "$T/err")" "nothing of $T/overlays/$mac.tar was used: $1"
	find "$T/etc" "$T/outside" -printf '%p %m %l %T@\n' >"$T/after"
	same "$(cat "$T/after")" "$(cat "$T/before")"
}

test_hostile_archives_are_refused_with_the_reason() {
	printf 'file motd x\nhard shadow /etc/shadow\n' | is_refused "/etc/shadow: it has names that lead elsewhere"
	printf 'file motd x\nhard shadow hostname\n' | is_refused "shadow: is a hard link to hostname, which it does not hold"
	printf 'file motd x\nfile a%%nb x\n' | is_refused 'a\nb: the name holds a line break'
	printf 'file motd x\nlink door %s\nfile door/thief x\n' "$T/outside" | is_refused "door/thief: lies in door, which is no folder"
	printf 'file motd x\ndisk sda x\n' | is_refused "sda: it holds more than files, folders and links"
	printf 'file motd x\nfolder .wh.ssh\n' | is_refused ".wh.ssh: what removes NAME is a file"
	printf 'file a/b x\nfile a x\n' | is_refused "a: it has this twice"
}

test_hard_links_inside_an_archive_are_laid_as_files() {
	printf 'file a text\nhard b a\n' | forged
	ok boot
	same "$(cat "$T/etc/a" "$T/etc/b")" texttext
}

test_links_of_etc_that_lead_out_are_never_written_through() {
	mkdir -p "$T/outside/deep"
	file "$T/outside/precious" precious
	ln -s "$T/outside" "$T/etc/door"
	ln -s ../outside "$T/etc/gate"
	ln -s door/deep "$T/etc/chain"
	find "$T/outside" -printf '%p %m %T@\n' >"$T/before"
	for door in door gate chain; do
		file "$T/overlays/$mac/$door/thief" x
		touch "$T/overlays/$mac/$door/.wh.precious"
	done
	refused boot >"$T/out" 2>"$T/err"
	same "$(cat "$T/out")" ""
	for door in door gate chain; do contains "$(cat "$T/err")" "$door is a link that leads to no folder"; done
	find "$T/outside" -printf '%p %m %T@\n' >"$T/after"
	same "$(cat "$T/after")" "$(cat "$T/before")"
}

test_an_absolute_link_to_a_folder_of_etc_is_gone_through() {
	mkdir "$T/etc/default"
	ln -s "$T/etc/default" "$T/etc/current"
	file "$T/overlays/$mac/current/sshd" x
	ok boot
	same "$(cat "$T/etc/default/sshd")" x
	rm "$T/overlays/$mac/current/sshd"
	same "$(refresh)" "removed current/sshd"
}

test_owners_are_kept_by_number() {
	needs python3
	[ "$(id -u)" -eq 0 ] || skip "only root can give files away"
	python3 - "$T/overlays/$mac.tar" <<-'PY'
		import io, sys, tarfile
		with tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT) as archive:
		    for kind, name, mode, owner in ((tarfile.DIRTYPE, "munge", 0o700, 998), (tarfile.REGTYPE, "munge/munge.key", 0o400, 998),
		                                    (tarfile.REGTYPE, "large", 0o600, 3000000), (tarfile.SYMTYPE, "link", 0o777, 998)):
		        member = tarfile.TarInfo(name)
		        member.type, member.mode, member.uid, member.gid = kind, mode, owner, owner + 1
		        # Whatever user has this name here.
		        member.uname = member.gname = "root"
		        member.linkname = "somewhere" if kind == tarfile.SYMTYPE else ""
		        archive.addfile(member)
	PY
	ok boot >/dev/null
	same "$(cd "$T/etc" && stat -c '%n %a %u:%g' munge munge/munge.key large link | tr '\n' ' ')" \
		"munge 700 998:999 munge/munge.key 400 998:999 large 600 3000000:3000001 link 777 998:999 "
	same "$(refresh)" ""
	chown 0:0 "$T/etc/munge/munge.key"
	same "$(refresh)" "changed munge/munge.key"
}

# An attribute of a file, or all their names.
attribute() { python3 -c 'import os, sys; print(os.getxattr(*sys.argv[1:]).decode())' "$1" "$2" 2>&1 | tail -n 1; }
attributes() { python3 -c 'import os, sys; print(*os.listxattr(sys.argv[1]))' "$1"; }
# A value with a line break in it.
note() { python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.note", b"a\nb")' "$1" 2>/dev/null || skip "no attributes on this file system"; }

test_attributes_of_a_folder_are_kept() {
	needs python3
	file "$T/overlays/$mac/sub/motd" x
	note "$T/overlays/$mac/sub/motd"
	note "$T/overlays/$mac/sub"
	ok boot >/dev/null
	for path in sub sub/motd; do
		same "$(python3 -c 'import os, sys; print(os.getxattr(sys.argv[1], "user.note"))' "$T/etc/$path")" "b'a\\nb'"
	done
	same "$(refresh)" ""
	python3 -c 'import os, sys; os.removexattr(sys.argv[1], "user.note")' "$T/overlays/$mac/sub/motd"
	same "$(refresh)" "changed sub/motd"
	same "$(attributes "$T/etc/sub/motd")" ""
}

test_attributes_in_archives_are_kept_or_their_loss_is_said() {
	needs python3
	note "$T/made"
	python3 - "$T/overlays/$mac.tar" <<-'PY'
		import sys, tarfile
		with tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT) as archive:
		    member = tarfile.TarInfo("motd")
		    member.pax_headers = {"SCHILY.xattr.user.note": "a\nb", "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.acl.access": "user::rw-"}
		    archive.addfile(member)
	PY
	refused boot >/dev/null 2>"$T/err"
	contains "$(cat "$T/err")" "motd: laid without its ACL"
	contains "$(cat "$T/err")" "motd: laid without its trusted.overlay.opaque"
	same "$(attributes "$T/etc/motd")" user.note
	same "$(attribute "$T/etc/motd" user.note)" b
}

# --- what is left by runs that were killed or failed

test_what_changed_has_the_present_time_and_all_else_is_not_touched() {
	file "$T/made/cron.d/job" old
	file "$T/made/motd" same
	touch -d '1980-01-01 00:00:00 UTC' "$T/made/cron.d/job" "$T/made/motd"
	archive "$mac.tar" cron.d/job motd
	ok boot >/dev/null
	[ "$(stat -c %Y "$T/etc/cron.d/job")" -gt 1000000000 ] || fail "an old time: $(stat -c %y "$T/etc/cron.d/job")"
	touch -d '2020-01-01 00:00:00 UTC' "$T/etc/cron.d/job" "$T/etc/motd"
	file "$T/made/cron.d/job" new
	touch -d '1980-01-01 00:00:00 UTC' "$T/made/cron.d/job"
	archive "$mac.tar" cron.d/job motd
	same "$(refresh)" "changed cron.d/job"
	[ "$(stat -c %Y "$T/etc/cron.d/job")" -gt 1600000000 ] || fail "an old time: $(stat -c %y "$T/etc/cron.d/job")"
	same "$(stat -c %Y "$T/etc/motd")" 1577836800
}

test_what_takes_a_reboot_is_recorded_before_it_is_laid() {
	needs strace
	strace -qq -o /dev/null true 2>/dev/null || skip "strace may not trace here"
	file "$T/overlays/$mac/rc.local" first
	ok boot >/dev/null
	gone "$T/run/reboot"
	file "$T/overlays/$mac/rc.local" second
	LAY_OVERLAYS="strace -qq -o /dev/null -e trace=fchmod -e inject=fchmod:signal=KILL $LAY_OVERLAYS" lay_again >/dev/null 2>&1
	same "$(cat "$T/etc/rc.local") $(cat "$T/run/reboot")" "first rc.local"
	LAY_OVERLAYS="strace -qq -o /dev/null -P $T/run/reboot -e inject=openat:error=EIO:when=2 $LAY_OVERLAYS"
	rm "$T/run/reboot"
	refused lay_again >/dev/null 2>"$T/err"
	contains "$(cat "$T/err")" "cannot change rc.local: $T/run/reboot: cannot write"
	same "$(cat "$T/etc/rc.local")" first
	LAY_OVERLAYS="${LAY_OVERLAYS##* }"
	ok lay_again >/dev/null
	same "$(cat "$T/etc/rc.local") $(cat "$T/run/reboot")" "second rc.local"
}

test_a_refresh_that_cannot_read_a_record_keeps_them_all_and_changes_nothing() {
	file "$T/overlays/$mac/extra" x
	ok boot >/dev/null
	rm "$T/overlays/$mac/extra"
	file "$T/overlays/$mac/motd" x
	for record in laid brought untold reboot macs; do
		mv "$T/run/$record" "$T/kept" 2>/dev/null
		mkdir "$T/run/$record"
		refused refresh >"$T/out" 2>"$T/err"
		same "$record: $(cat "$T/out")" "$record: "
		contains "$(cat "$T/err")" "$T/run/$record: cannot read: Is a directory"
		contains "$(cat "$T/err")" "so nothing was changed"
		rmdir "$T/run/$record"
		mv "$T/kept" "$T/run/$record" 2>/dev/null
	done
	same "$(refresh | sort | tr '\n' ' ')" "changed motd removed extra "
}

test_what_a_killed_run_was_making_is_swept() {
	file "$T/overlays/$mac/a/b/file" x
	ok boot >/dev/null
	file "$T/etc/.voidclust-new" half
	file "$T/etc/a/b/.voidclust-new/inside" half
	same "$(refresh)" ""
	same "$(find "$T/etc" -name '.voidclust-new*')" ""
}

# strace kills the run before its Nth call that changes files.
killed_at() { # N COMMAND...
	at="$1"
	shift
	LAY_OVERLAYS="strace -f -qq -o /dev/null -e trace=write,rename,renameat,renameat2,unlinkat,mkdir,mkdirat,symlinkat,fchmod,fchown \
		-e inject=write,rename,renameat,renameat2,unlinkat,mkdir,mkdirat,symlinkat,fchmod,fchown:signal=KILL:when=$at $LAY_OVERLAYS" "$@" >/dev/null 2>&1
}

test_a_refresh_that_is_killed_anywhere_is_finished_by_the_next() {
	needs strace
	strace -qq -o /dev/null true 2>/dev/null || skip "strace may not trace here"
	at=1
	while :; do
		rm -rf "${T:?}/etc" "$T/run" "$T/overlays" "$T/made"
		mkdir -p "$T/etc/sub/deep" "$T/overlays" "$T/made"
		file "$T/etc/hostname" shared
		file "$T/made/hostname" node
		file "$T/made/private/key" secret
		chmod 700 "$T/made/private"
		archive "$mac.tar" hostname private
		ok boot >/dev/null
		cp -a "$T/etc" "$T/first"
		file "$T/made/hostname" other
		file "$T/made/extra/one" x
		chmod 700 "$T/made/extra"
		ln -s nowhere "$T/made/link"
		touch "$T/made/.wh.sub"
		archive "$mac.tar" hostname private extra link .wh.sub
		killed_at "$at" lay_again && break
		# A folder is never open to more than it will be, and no file is torn.
		case "$(cat "$T/etc/hostname")" in node | other) ;; *) fail "at $at: torn" ;; esac
		[ ! -d "$T/etc/extra" ] || same "at $at: $(stat -c %a "$T/etc/extra")" "at $at: 700"
		# The overlay is as it was: so must /etc be.
		rm -f "$T/made/link" "$T/made/.wh.sub"
		file "$T/made/hostname" node
		archive "$mac.tar" hostname private
		mkdir -p "$T/lower/etc/sub/deep"
		refresh >"$T/out" 2>&1 || fail "at $at: status $?: $(cat "$T/out")"
		same "at $at: $(cd "$T/etc" && find . -printf '%P %m %l\n' | sort)" "at $at: $(cd "$T/first" && find . -printf '%P %m %l\n' | sort)"
		same "$(cat "$T/etc/hostname")" node
		rm -rf "$T/first"
		at=$((at + 1))
	done
	[ "$at" -gt 15 ] || fail "killed only $at times"
}

test_mounted_records_that_cannot_be_written_are_said() {
	mkdir -p "$T/run"
	file "$T/overlays/$mac/hostname" node
	mount -t tmpfs -o size=4k,nr_inodes=3 none "$T/run" || skip "no tmpfs here"
	boot >/dev/null 2>"$T/err"
	same $? 1
	contains "$(cat "$T/err")" "$T/run/"
	contains "$(cat "$T/err")" "cannot write"
	same "$(cat "$T/etc/hostname")" node
	umount "$T/run"
}

test_mounted_a_refresh_that_cannot_be_recorded_changes_nothing() {
	mkdir -p "$T/run"
	file "$T/overlays/$mac/hostname" node
	ok boot >/dev/null
	file "$T/overlays/$mac/extra" x
	cp -a "$T/run" "$T/kept"
	: >"$T/kept/changes"
	mount -t tmpfs -o size=16k none "$T/run" || skip "no tmpfs here"
	cp -a "$T/kept/." "$T/run"
	head -c 100000 /dev/zero >"$T/run/ballast" 2>/dev/null
	refused lay_again >"$T/out" 2>"$T/err"
	same "$(cat "$T/out")" ""
	contains "$(cat "$T/err")" "so nothing was changed"
	gone "$T/etc/extra"
	rm "$T/run/ballast"
	same "$(lay_again)" "changed extra"
	umount "$T/run"
}

test_mounted_an_attribute_that_cannot_be_kept_is_no_change_at_each_refresh() {
	needs python3
	mount -t ramfs none "$T/etc" || skip "no ramfs here"
	file "$T/etc/sv/app/run" x
	file "$T/etc/runit/runsvdir/default/app" x
	python3 - "$T/overlays/$mac.tar" <<-'EOF'
		import io, sys, tarfile
		with tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT) as archive:
		    for name, kind, mode in ("sv/app", tarfile.DIRTYPE, 0o750), ("sv/app/conf", tarfile.REGTYPE, 0o644):
		        member = tarfile.TarInfo(name)
		        member.type, member.mode, member.pax_headers = kind, mode, {"SCHILY.xattr.user.note": "a"}
		        archive.addfile(member, io.BytesIO())
	EOF
	refused boot >/dev/null 2>"$T/err"
	contains "$(cat "$T/err")" "sv/app/conf is laid without its user.note"
	same "$(refresh 2>"$T/err")" ""
	contains "$(cat "$T/err")" "sv/app/conf is laid without its user.note"
	contains "$(cat "$T/err")" "sv/app is laid without its user.note"
	umount "$T/etc"
}

test_mounted_records_that_do_not_fit_leave_no_half_ones() {
	mkdir -p "$T/run"
	mount -t tmpfs -o size=16k none "$T/run" || skip "no tmpfs here"
	head -c 100000 /dev/zero >"$T/run/ballast" 2>/dev/null
	file "$T/overlays/$mac/hostname" node
	refused boot >/dev/null 2>&1
	same "$(cat "$T/etc/hostname")" node
	for half in "$T"/run/*.new; do gone "$half"; done
	umount "$T/run"
}

test_mounted_what_is_mounted_in_a_folder_is_not_emptied() {
	mkdir -p "$T/etc/data/disk"
	mount -t tmpfs none "$T/etc/data/disk" || skip "no tmpfs here"
	file "$T/etc/data/disk/precious" x
	mkdir "$T/overlays/$mac"
	touch "$T/overlays/$mac/.wh.data"
	refused boot >/dev/null 2>"$T/err"
	contains "$(cat "$T/err")" "cannot remove data: a file system is mounted in it"
	same "$(cat "$T/etc/data/disk/precious")" x
	umount "$T/etc/data/disk"
}

test_a_hidden_folder_comes_back_with_all_that_it_held() {
	file "$T/lower/etc/d/a" a
	file "$T/lower/etc/d/e/f" f
	chmod 700 "$T/lower/etc/d/e"
	cp -a "$T/lower/etc/d" "$T/etc/d"
	mkdir "$T/overlays/$mac"
	touch "$T/overlays/$mac/.wh.d"
	ok boot >/dev/null
	gone "$T/etc/d"
	rm "$T/overlays/$mac/.wh.d"
	same "$(refresh | tr '\n' ' ')" "changed d changed d/a changed d/e changed d/e/f "
	same "$(stat -c %a "$T/etc/d/e") $(cat "$T/etc/d/e/f")" "700 f"
}

# --- services and fstab

# What a refresh makes of these overlays is what the next boot makes of them.
as_booted() {
	cp -a "$T/lower/etc" "$T/fresh"
	VOIDCLUST_RUN="$T/fresh.run" VOIDCLUST_LOWER="$T/lower" VOIDCLUST_SYS="$T/sys" VOIDCLUST_CMDLINE="$T/cmdline" \
		VOIDCLUST_MOUNTINFO="$T/mountinfo" "$LAY_OVERLAYS" --from "$T/overlays" "$T/fresh" "$mac" >/dev/null 2>&1
	same "$(cd "$T/etc" && find . -printf '%p %m %l\n' | sort)" "$(cd "$T/fresh" && find . -printf '%p %m %l\n' | sort)"
}

test_a_refresh_ends_as_a_boot_when_a_mark_goes_and_its_file_stays() {
	for tree in "$T/etc" "$T/lower/etc"; do file "$tree/app/conf" shared; done
	file "$T/overlays/$mac/app" mine
	touch "$T/overlays/$mac/.wh.app"
	ok boot >/dev/null
	same "$(cat "$T/etc/app")" mine
	rm "$T/overlays/$mac/.wh.app"
	refused refresh >/dev/null 2>"$T/err"
	contains "$(cat "$T/err")" "app is a folder that holds something; not replaced by a file"
	same "$(cat "$T/etc/app/conf")" shared
	as_booted
}

test_a_refresh_ends_as_a_boot_when_a_folder_comes_for_a_file_or_link() {
	for tree in "$T/etc" "$T/lower/etc"; do
		mkdir "$tree/real"
		ln -s real "$tree/app"
	done
	file "$T/overlays/$mac/app" mine
	ln -s nowhere "$T/made/own"
	archive "$mac.tar" own
	ok boot >/dev/null
	rm "$T/overlays/$mac/app" "$T/overlays/$mac.tar"
	file "$T/overlays/$mac/app/conf" x
	file "$T/overlays/$mac/own/conf" x
	ok refresh >/dev/null
	same "$(cat "$T/etc/real/conf" "$T/etc/own/conf")" "x
x"
	as_booted
}

test_a_service_whose_link_came_just_now_is_not_named_later_either() {
	mkdir -p "$T/etc/runit/runsvdir/default"
	mkdir "$T/overlays/$mac"
	ok boot
	file "$T/overlays/$mac/ssh/sshd_config" x
	mkdir -p "$T/overlays/$mac/runit/runsvdir/default"
	ln -s /etc/sv/sshd "$T/overlays/$mac/runit/runsvdir/default/sshd"
	# The link last: what it starts finds all that it reads.
	same "$(refresh | tail -n 1)" "changed runit/runsvdir/default/sshd"
	same "$(refresh)" ""
}

below_the_overlay() {
	{
		echo "21 1 0:20 / / rw - overlay overlay rw"
		echo "22 21 8:1 / $T/lower rw - ext4 /dev/sda1 rw"
		echo "23 22 8:2 / $T/lower/usr rw - ext4 /dev/sda2 rw"
	} >"$T/mountinfo"
	mkdir -p "$T/overlays/$mac"
}

test_the_devices_below_the_overlay_are_not_checked() {
	below_the_overlay
	printf '# a note about / here\nUUID=1 / ext4 defaults 0 1\nUUID=2 /boot ext4 defaults 0 2\nUUID=3 /usr ext4 defaults 0 2\n\n' >"$T/etc/fstab"
	chmod 600 "$T/etc/fstab"
	same "$(boot)" ""
	same "$(grep -v '^#' "$T/etc/fstab")" "UUID=2 /boot ext4 defaults 0 2"
	contains "$(cat "$T/etc/fstab")" "# a note about / here
# below the overlay: UUID=1 /"
	contains "$(cat "$T/etc/fstab")" "# below the overlay: UUID=3 /usr"
	same "$(stat -c %a "$T/etc/fstab")" 600
}

test_an_fstab_of_an_overlay_is_the_same_at_each_refresh() {
	below_the_overlay
	file "$T/lower/etc/fstab" "UUID=1 / ext4 defaults 0 1"
	cp "$T/lower/etc/fstab" "$T/etc/fstab"
	printf 'UUID=1 / ext4 defaults 0 1\ntmpfs /tmp tmpfs defaults 0 0\n' >"$T/overlays/$mac/fstab"
	ok boot >/dev/null
	same "$(grep -v '^#' "$T/etc/fstab")" "tmpfs /tmp tmpfs defaults 0 0"
	same "$(refresh)" ""
	rm "$T/overlays/$mac/fstab"
	same "$(refresh)" "changed fstab"
	same "$(cat "$T/etc/fstab")" "# below the overlay: UUID=1 / ext4 defaults 0 1"
	same "$(refresh)" ""
}

test_an_fstab_without_the_root_stays_as_it_is() {
	below_the_overlay
	file "$T/etc/fstab" 'tmpfs /tmp tmpfs defaults 0 0'
	touch -d '2020-01-01 00:00:00 UTC' "$T/etc/fstab"
	ok boot
	same "$(stat -c %Y "$T/etc/fstab")" 1577836800
}
