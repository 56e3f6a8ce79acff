# The core-service 01-aa-devnodes.sh, sourced the way stage 1 of runit does.
# shellcheck shell=dash disable=SC1090,SC1091,SC2154,SC2317
# Files, functions and variables that are sourced are seen only when it runs.

client() { file "$T/proc/mountinfo" "40 30 0:42 / $T/run/rootfs/lower ro,relatime - nfs4 10.0.0.1:/root/1 ro"; }
master() { file "$T/proc/mountinfo" "40 30 0:42 / $T/run/rootfs/lower rw,relatime - ext4 /dev/sda1 rw"; }

# A copy with its absolute paths below $T, with programs that tell on it.
stage1() {
	mkdir -p "$T/bin" "$T/dev"
	file "$T/bin/kmod" '#!/bin/sh
[ "$*" = "static-nodes -f devname" ] || { echo "kmod $*"; exit; }
echo "loop loop-control c10:237
tun net/tun c10:200
snd_seq snd/seq c116:1
floppy fd0 b2:0"'
	# shellcheck disable=SC2016 # its own variables
	file "$T/bin/mknod" '#!/bin/sh
echo "mknod $*" >>"${0%/*}/../told"
[ ! -e "${0%/*}/../full" ] || exit 1
: >"$3"'
	# shellcheck disable=SC2016 # its own variables
	file "$T/bin/modprobe" '#!/bin/sh
echo "modprobe $*" >>"${0%/*}/../told"'
	chmod 755 "$T/bin/kmod" "$T/bin/mknod" "$T/bin/modprobe"
	# Where busybox has programs of its own built in, these are asked first.
	mknod() { "$T/bin/mknod" "$@"; }
	modprobe() { "$T/bin/modprobe" "$@"; }
	PATH="$T/bin:$PATH"
	: >"$T/told"
	sed "s|/dev/|$T/dev/|g; s|/run/|$T/run/|g; s|/proc/self/|$T/proc/|" \
		"$overlays/core-services/01-aa-devnodes.sh" >"$T/service.sh"
	. "$T/service.sh"
}

# What Void's 01-static-devnodes.sh does, in the same shell.
void_service() {
	kmod static-nodes -f devname 2>/dev/null | while read -r module _; do modprobe -bq "$module"; done
}

test_a_client_has_the_nodes_and_loads_no_module() {
	client
	stage1
	void_service
	same "$(cat "$T/told")" "mknod -m 600 $T/dev/loop-control c 10 237
mknod -m 600 $T/dev/net/tun c 10 200
mknod -m 600 $T/dev/snd/seq c 116 1
mknod -m 600 $T/dev/fd0 b 2 0"
}

test_a_node_that_is_there_stays() {
	client
	file "$T/dev/net/tun" there
	stage1
	lacks "$(cat "$T/told")" net/tun
	contains "$(cat "$T/told")" snd/seq
}

test_for_a_node_that_cannot_be_made_the_module_is_loaded() {
	client
	: >"$T/full"
	stage1
	contains "$(cat "$T/told")" "modprobe -bq snd_seq"
}

test_the_master_loads_them_as_ever() {
	master
	stage1
	void_service
	same "$(cat "$T/told")" "modprobe -bq loop
modprobe -bq tun
modprobe -bq snd_seq
modprobe -bq floppy"
}

test_a_container_is_left_alone() {
	client
	IS_CONTAINER=1 stage1
	same "$(cat "$T/told")" ""
}

test_all_else_of_kmod_is_as_before() {
	client
	stage1
	same "$(kmod list)" "kmod list"
}

test_it_leaves_no_variable_and_never_exits() {
	client
	stage1
	set | sed -n 's/^\([A-Za-z_0-9]*\)=.*/\1/p' | grep -v '^_$' | sort >"$T/before"
	. "$T/service.sh"
	set | sed -n 's/^\([A-Za-z_0-9]*\)=.*/\1/p' | grep -v '^_$' | sort >"$T/after"
	same "$(cat "$T/after")" "$(cat "$T/before")"
	lacks "$(cat "$overlays/core-services/01-aa-devnodes.sh")" exit
}
