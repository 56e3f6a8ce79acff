# vim: set ts=4 sw=4 et:
# Lays this node's overlays over /etc, before the services that read it.

[ -n "$IS_CONTAINER" ] && return 0

# Without an overlay for a root, what is laid would stay: on a master booted with
# overlay=off its identity would become everybody's.
if ! mountpoint -q /run/rootfs/lower; then
    msg "The root is no overlay, leaving /etc as it is..."
    return 0
fi

msg "Laying this node's overlays over /etc..."
/usr/libexec/voidclust/lay-overlays /etc/overlays /etc ||
    msg_warn "not all of it was laid, see /run/voidclust/overlays.log"

# The root is the overlay now, and so is a /usr of its own; their lines are about the devices below, which are mounted:
# stage 1's fsck would stop the boot over them, and `mount -a` lay them over the overlay.
if [ -f /etc/fstab ]; then
    awk -v lower=/run/rootfs/lower '
        FILENAME == ARGV[1] { if ($5 == lower) below["/"]; else if (index($5, lower "/") == 1) below[substr($5, length(lower) + 1)]; next }
        { print ($1 !~ /^#/ && $2 in below ? "# below the overlay: " : "") $0 }
    ' /proc/self/mountinfo /etc/fstab >/etc/fstab.voidclust &&
        ! cmp -s /etc/fstab.voidclust /etc/fstab && cat /etc/fstab.voidclust >/etc/fstab
    rm -f /etc/fstab.voidclust
fi

# Stage 1 has read or done these already, without what the overlays brought.
if grep -qsx 'changed rc.conf' /run/voidclust/changes; then
    # shellcheck disable=SC1091 # only there on the machine
    . /etc/rc.conf
fi
if grep -qs '^changed modules-load.d/' /run/voidclust/changes; then
    msg "Loading the kernel modules of this node..."
    modules-load
fi
if grep -qs '^changed udev/rules.d/' /run/voidclust/changes; then
    msg "Applying the udev rules of this node..."
    udevadm control --reload
    udevadm trigger --action=add --type=subsystems
    udevadm trigger --action=add --type=devices
    udevadm settle
fi
