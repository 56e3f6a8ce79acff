# Not Void's: when stage 1 ended, for the table of the boot test.
cat /proc/uptime >/run/rig/stage1
