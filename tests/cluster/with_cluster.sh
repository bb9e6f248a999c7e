#!/bin/bash
# with_cluster.sh COMMAND... - run it on the head of a new cluster, which goes afterwards. What
# cluster.sh gives in DIR/env is in its environment. Exit status: the command's, or 77.
#
# From the environment: NODES, and what cluster.sh up reads. A failure shows Slurm's state and
# last words.
set -u
cluster=$(dirname "$(realpath "$0")")/cluster.sh
work=$(mktemp -d /tmp/pc.XXXXXX)
child=

finish() {
    trap - EXIT INT TERM
    [ -n "$child" ] && kill "$child" 2>/dev/null
    "$cluster" down "$work"
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

"$cluster" up "$work" "${NODES:-3}" >"$work/up.log" 2>&1
status=$?
if [ $status != 0 ]; then
    cat "$work/up.log"
    [ $status = 77 ] || tail -n 20 "$work"/*.log "$work"/nodes/*/*.log 2>/dev/null
    exit $status
fi
. "$work/env"
"$cluster" exec "$work" head "$@" &
child=$!
wait $child
status=$?
child=
[ $status = 0 ] || [ $status = 77 ] || "$cluster" show "$work"
exit $status
