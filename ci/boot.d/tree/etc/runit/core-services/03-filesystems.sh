# As in Void: / read-only for the check, then writable; pools; no network file system.
LIBMOUNT_FORCE_MOUNT2=always mount -o remount,ro / || emergency_shell
if [ -x /usr/bin/zpool ]; then
    msg "Importing and mounting ZFS"
    if [ -e /etc/zfs/zpool.cache ]; then
        zpool import -a -N -c /etc/zfs/zpool.cache
    else
        zpool import -a -N -o cachefile=none
    fi
    zfs mount -a
    zfs share -a
fi
fsck -A -T -a -t noopts=_netdev
[ $? -le 1 ] || emergency_shell
LIBMOUNT_FORCE_MOUNT2=always mount -o remount,rw / || emergency_shell
msg "Mounting all local file systems"
mount -a -t nosysfs,nonfs,nonfs4,nosmbfs,nocifs -O no_netdev || emergency_shell
