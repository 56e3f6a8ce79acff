# vim: set ts=4 sw=4 et:
# Gives a client's root the read-ahead back that the initramfs made smaller for the boot: from here on large files are read.

[ -n "$IS_CONTAINER" ] && return 0
[ -f /run/voidclust/read-ahead ] || return 0

# A subshell, for the sake of its variables.
(
    read -r file before </run/voidclust/read-ahead
    # udev's rule of the initramfs holds as long as this file is there. Asked again, it does what nfs.conf of the site says.
    rm -f /run/voidclust/read-ahead /run/udev/rules.d/99-root-read-ahead.rules
    { echo "$before" >"$file" && echo add >"${file%/*}/uevent"; } ||
        msg_warn "the read-ahead of the root stays small; large files are read slowly"
)
