# vim: set ts=4 sw=4 et:
# Sets a clock that stands before the root was made, as with an empty battery, to when that was. No certificate is valid
# before it was made. The right time is a matter of an NTP client, later.

[ -n "$IS_CONTAINER" ] && return 0

# A subshell, for the sake of its variables.
(
    newest=0
    for path in /run/rootfs/lower/.generation-* /run/rootfs/lower/etc; do
        time="$(stat -c %Y "$path" 2>/dev/null)" || continue
        [ "$time" -le "$newest" ] || newest="$time"
    done
    if [ "$(date +%s)" -lt "$newest" ]; then
        msg_warn "the clock stands at $(date), before the root was made; is its battery empty?"
        date -s "@$newest" >/dev/null || msg_warn "and cannot be set"
    fi
)
