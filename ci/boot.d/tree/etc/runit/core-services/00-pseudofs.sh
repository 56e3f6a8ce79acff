# The initramfs has mounted most of these; a boot without one has not.
msg "Mounting the pseudo file systems"
mountpoint -q /proc || mount -t proc -o nosuid,noexec,nodev proc /proc
mountpoint -q /sys || mount -t sysfs -o nosuid,noexec,nodev sys /sys
mountpoint -q /run || mount -t tmpfs -o mode=0755,nosuid,nodev run /run
mountpoint -q /dev || mount -t devtmpfs -o mode=0755,nosuid dev /dev
mkdir -p -m 0755 /run/runit /run/lock /run/log /dev/pts /dev/shm
mountpoint -q /dev/pts || mount -t devpts -o mode=0620,gid=5,nosuid,noexec devpts /dev/pts
mountpoint -q /dev/shm || mount -t tmpfs -o mode=1777,nosuid,nodev shm /dev/shm
