# What install/netroot puts into a client's image, from a small tree of modules.
# shellcheck shell=dash disable=SC1090,SC1091,SC2034,SC2154,SC2317
# Files and functions that are sourced, and variables shared with them, are seen only
# when it runs.

# Runs build() with what mkinitcpio has for it, as far as it goes: modules are listed
# by path, and failing functions called add_* are counted.
build() {
	needs bash
	while read -r module; do
		file "$T/modules/kernel/$module" ''
	done <<-'MODULES'
		drivers/net/ethernet/intel/e1000e/e1000e.ko.xz
		drivers/net/ethernet/realtek/r8169.ko
		drivers/net/ethernet/mellanox/mlx5/core/mlx5_core.ko
		drivers/net/ethernet/mellanox/mlxsw/mlxsw_core.ko
		drivers/net/ethernet/netronome/nfp/nfp.ko
		drivers/net/ethernet/microchip/lan743x.ko
		drivers/net/ethernet/microchip/sparx5/sparx5-switch.ko
		drivers/net/ethernet/ti/tlan.ko
		drivers/net/ethernet/ti/ti_cpsw_new.ko
		drivers/net/ethernet/8390/pcnet_cs.ko
		drivers/net/ethernet/broadcom/cnic.ko
		drivers/net/ethernet/qlogic/qlcnic/qlcnic.ko
		drivers/net/phy/realtek.ko.zst
		drivers/net/hyperv/hv_netvsc.ko
		drivers/net/vmxnet3/vmxnet3.ko
		drivers/net/virtio_net.ko
		drivers/net/xen-netfront.ko
		drivers/net/usb/r8152.ko
		drivers/net/usb/qmi_wwan.ko
		drivers/net/wireless/intel/iwlwifi/iwlwifi.ko
		drivers/net/wwan/wwan.ko
		drivers/net/can/vcan.ko
		drivers/net/bonding/bonding.ko
		drivers/net/xen-netback/xen-netback.ko
		drivers/block/virtio_blk.ko
	MODULES
	mkdir -p "$T/hooks"
	[ -n "$no_net" ] || : >"$T/hooks/net"
	T="$T" bash -c '
		_d_hooks="$T/hooks"
		declare -A _autodetect_cache=()
		error() { printf "ERROR: $1\n" "${@:2}"; return 1; }
		map() { local one; for one in "${@:2}"; do "$1" "$one"; done; }
		add_module() { echo "module $1"; }
		add_binary() { echo "binary $*"; [[ "$1" != "$missing" ]]; }
		add_file() { echo "file $*"; [[ -f "$1" ]]; }
		add_runscript() { :; }
		add_all_modules() { # -f OUT IN
			find "$T/modules" -type f | grep -E "$3" | grep -Ev "$2" \
				| sed "s|.*/|module |; s|\.ko.*||"
		}
		add_checked_modules() { add_all_modules "$@" | grep -e "${!_autodetect_cache[@]}"; }
		errors=0
		set -o functrace
		trap '\''(( $? )) && [[ "$FUNCNAME" == add_* ]] && (( ++errors ))'\'' RETURN
		. "$1"
		eval "$2"
		build
		echo "errors $errors"
	' - "$initcpio/install/netroot" "$1" | sort
}

test_all_has_every_wired_driver_and_no_other() {
	build netroot_drivers=all | sed -n 's/^module //p' | tr '\n' ' ' >"$T/out"
	same "$(cat "$T/out")" "af_packet? atkbd? e1000e ehci_pci? hid_generic? hv_netvsc \
hv_vmbus? i8042? lan743x mlx5_core nfsv4 pci_hyperv? qlcnic r8152 r8169 realtek tlan usbhid? virtio_net \
virtio_pci? vmxnet3 xen-netfront xhci_pci? "
}

test_autodetect_has_the_drivers_of_this_machine() {
	said="$(build 'netroot_drivers=autodetect; _autodetect_cache[e1000e]=1')"
	contains "$said" "module e1000e"
	lacks "$said" r8169
}

test_autodetect_without_its_hook_fails_the_build() {
	said="$(build netroot_drivers=autodetect)"
	contains "$said" "ERROR: netroot_drivers=autodetect needs the hook"
	contains "$said" "errors 1"
}

test_a_setting_that_is_neither_fails_the_build() {
	contains "$(build netroot_drivers=some)" "ERROR: netroot_drivers must be 'all' or 'autodetect', not 'some'"
	contains "$(build '')" "errors 1"
}

test_a_missing_hook_net_fails_the_build() {
	no_net=yes
	said="$(build netroot_drivers=all)"
	contains "$said" "ERROR: there is no hook net"
	contains "$said" "errors 1"
}

test_the_runtime_part_of_net_is_in_the_image_but_its_build_part_is_not() {
	said="$(build netroot_drivers=all)"
	contains "$said" "file $T/hooks/net /hooks/net 644"
	contains "$said" "binary /usr/lib/initcpio/ipconfig /bin/ipconfig"
	contains "$said" "binary mount.nfs4"
	contains "$said" "binary /usr/libexec/voidclust/lay-overlays"
	contains "$said" "errors 0"
}
