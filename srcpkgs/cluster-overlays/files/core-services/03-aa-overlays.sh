# vim: set ts=4 sw=4 et:
# Lays this node's overlays over /etc, before the services that read it.

[ -n "$IS_CONTAINER" ] && return 0

# Of 01-aa-devnodes.sh, for the service behind it.
unset -f kmod

# Has a file a line that fits a pattern? No program is started for what the shell can read itself: to find and start one
# costs a node more than all else here. A subshell, for the sake of its variables.
has_line() (
    [ -r "$1" ] || return 1
    while read -r line; do
        # shellcheck disable=SC2254 # a pattern
        case "$line" in $2) return 0 ;; esac
    done <"$1"
    return 1
)

# Without an overlay for a root, what is laid would stay: on a master booted with
# overlay=off its identity would become everybody's.
if ! has_line /proc/self/mountinfo '* /run/rootfs/lower *'; then
    msg "The root is no overlay, leaving /etc as it is..."
    unset -f has_line
    return 0
fi

msg "Laying this node's overlays over /etc..."
/usr/libexec/voidclust/lay-overlays /etc ||
    msg_warn "not all of it was laid, see /run/voidclust/overlays.log"

# A client has the list of the master's pools, which it cannot import, or without one imports what an old disk of its own
# has, and mounts that over what comes from the master. The service that does so is the next; what a site imports itself,
# later, is not hindered, for sharing is the last that the service wants.
if has_line /proc/self/mountinfo '* /run/rootfs/lower * - nfs[4 ]*'; then
    zpool() { msg "Not on a client..."; }
    zfs() { [ "$1" != share ] || unset -f zpool zfs; }
fi

# Below a file system that only the master has, or behind a link into one, a mount point is missing here: an fstab that
# names it would end the boot in a shell, or mount nothing for ever. A subshell, for the sake of its variables.
[ ! -f /etc/fstab ] || (
    while read -r device point _ || [ -n "$device" ]; do
        case "$device" in '#'*) continue ;; esac
        case "$point" in /*) point="$(printf '%b' "$point")" ;; *) continue ;; esac
        [ -e "$point" ] || mkdir -p "$(readlink -m "$point" 2>/dev/null || echo "$point")"
    done </etc/fstab
)

# All nodes, and each at every boot, find the seed of the shared root: it may be mixed in, but says nothing. An rc.conf of
# an overlay has the last word.
export SEEDRNG_SKIP_CREDIT=true

# Stage 1 has read or done these already, without what the overlays brought.
if has_line /run/voidclust/changes 'changed rc.conf'; then
    # shellcheck disable=SC1091 # only there on the machine
    . /etc/rc.conf
fi
if has_line /run/voidclust/changes 'changed modules-load.d/*'; then
    msg "Loading the kernel modules of this node..."
    modules-load
fi
if has_line /run/voidclust/changes 'changed udev/rules.d/*'; then
    msg "Applying the udev rules of this node..."
    udevadm control --reload
    udevadm trigger --action=add --type=subsystems
    udevadm trigger --action=add --type=devices
    udevadm settle
fi
unset -f has_line
