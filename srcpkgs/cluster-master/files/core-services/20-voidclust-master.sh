# vim: set ts=4 sw=4 et:
# Mounts what the master exports, when the file systems are mounted and no service runs yet. Only the master has that
# script, from the overlay `master`. It is not rc.local, which belongs to the site.

if [ -x /etc/runit/voidclust-master ]; then
    msg "Preparing what this master exports..."
    /etc/runit/voidclust-master
fi
