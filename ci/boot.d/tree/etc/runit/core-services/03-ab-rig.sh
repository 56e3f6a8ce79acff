# Not Void's: when the overlays were laid, for the table of the boot test.
mkdir -p /run/rig
cat /proc/uptime >/run/rig/overlay
