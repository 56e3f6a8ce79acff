[ -n "$x" ] || ifconfig eth2 172.23.199.225
