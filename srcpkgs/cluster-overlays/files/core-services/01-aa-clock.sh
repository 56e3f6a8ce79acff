# vim: set ts=4 sw=4 et:
# Sets a clock that stands before the root was made, as with an empty battery, to when that was. No certificate is valid
# before it was made. The right time is a matter of an NTP client, later.

[ -n "$IS_CONTAINER" ] && return 0

# A subshell, for the sake of its variables.
(
    newest=
    for path in /run/rootfs/lower/.generation-* /run/rootfs/lower/etc; do
        # This process has come to be just now, by whatever the clock says. No program is started to ask it.
        # shellcheck disable=SC3013 # dash and busybox have -nt, and POSIX since 2024
        [ "$path" -nt "${newest:-/proc/self}" ] && newest="$path"
    done
    if [ -n "$newest" ]; then
        msg_warn "the clock stands at $(date), before the root was made; is its battery empty?"
        date -s "@$(stat -c %Y "$newest")" >/dev/null || msg_warn "and cannot be set"
    fi
)
