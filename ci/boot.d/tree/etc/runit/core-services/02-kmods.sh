msg "Loading kernel modules"
cat /etc/modules-load.d/*.conf 2>/dev/null | grep -v -e '^#' -e '^$' |
	while read -r _module; do modprobe -b "$_module"; done
