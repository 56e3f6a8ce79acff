# As in Void: / read-only for the check, then writable; no network file system.
LIBMOUNT_FORCE_MOUNT2=always mount -o remount,ro / || emergency_shell
fsck -A -T -a -t noopts=_netdev
[ $? -le 1 ] || emergency_shell
LIBMOUNT_FORCE_MOUNT2=always mount -o remount,rw / || emergency_shell
msg "Mounting all local file systems"
mount -a -t nosysfs,nonfs,nonfs4,nosmbfs,nocifs -O no_netdev || emergency_shell
