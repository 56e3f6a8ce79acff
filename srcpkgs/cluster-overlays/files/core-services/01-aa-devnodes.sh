# vim: set ts=4 sw=4 et:
# Makes the device nodes for whose sake Void's next service would load a module each, and keeps a client from that.

[ -n "$IS_CONTAINER" ] && return 0
grep -qsE ' /run/rootfs/lower .* - nfs4? ' /proc/self/mountinfo || return 0

# A client reads each module over the network, and hardly anybody wants one of them. When the node is there, the kernel
# loads the module for whoever opens it, by the number of the node; to be blacklisted would keep it from that, too. No
# udevd makes these nodes: it gives owner and mode to those that it finds. A subshell, for the sake of its variables.
(
    while read -r module name device; do
        [ -e "/dev/$name" ] && continue
        number="${device#?}"
        case "$name" in */*) mkdir -p "/dev/${name%/*}" ;; esac
        mknod -m 600 "/dev/$name" "${device%"$number"}" "${number%:*}" "${number#*:}" || modprobe -bq "$module"
    done <<EOF
$(kmod static-nodes -f devname)
EOF
)

# 03-aa-overlays.sh takes it away again.
kmod() { [ "$1" = static-nodes ] || command kmod "$@"; }
