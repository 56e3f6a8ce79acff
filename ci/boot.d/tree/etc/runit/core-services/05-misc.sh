ip link set up dev lo
HOSTNAME=
[ -r /etc/hostname ] && read -r HOSTNAME </etc/hostname
if [ -n "$HOSTNAME" ]; then
	msg "The host name is '${HOSTNAME}'"
	printf '%s' "$HOSTNAME" >/proc/sys/kernel/hostname
else
	msg_warn "no host name"
fi
