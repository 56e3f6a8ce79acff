mkdir -p /run/runit
install -m 000 /dev/null /run/runit/stopit
install -m 000 /dev/null /run/runit/reboot
