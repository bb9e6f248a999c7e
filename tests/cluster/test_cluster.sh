#!/bin/bash
# test_cluster.sh - does cluster.sh give a cluster, does it break as told, and does it leave
# nothing behind?
set -u
here=$(dirname "$(realpath "$0")")
cluster=$here/cluster.sh
work=$(mktemp -d /tmp/pc.XXXXXX)
failures=0

finish() {
    trap - EXIT
    "$cluster" down "$work"
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

problem() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect TEXT COMMAND...: the command succeeds and says this.
expect() {
    local want=$1 got
    shift
    got=$("$@" 2>&1) || problem "$* failed"
    [ "$got" = "$want" ] || problem "$* says \"$got\" instead of \"$want\""
}

c() { "$cluster" "$1" "$work" "${@:2}"; }
head() { timeout 30 "$cluster" exec "$work" head "$@"; }
sorted() { "$@" | sort | xargs; }
job_state() { head scontrol -o show job "$1" | grep -o 'JobState=[A-Z_]*'; }

until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}

bridge=pg$(printf %s "$work" | sha1sum | cut -c1-8)
processes_of() { grep -lszxF "SLURM_CONF=$work/slurm.conf" /proc/[0-9]*/environ; }
links_of() { ip -o link | grep -o "$bridge[a-z0-9]*"; }
leaves_nothing() {
    [ -z "$(processes_of)" ] || problem "$1: processes are left: $(processes_of | xargs)"
    [ -z "$(links_of)" ] || problem "$1: network is left: $(links_of | xargs)"
    ! grep -q " $work" /proc/self/mounts || problem "$1: mounts are left"
}

# An up that is killed: all that it has made until then goes.
for after in 0.1 0.3 0.5; do
    "$cluster" up "$work" >"$work/out" 2>&1 &
    sleep $after
    kill -KILL $! 2>/dev/null
    wait $! 2>/dev/null
    if grep -q ^skipped "$work/out"; then
        cat "$work/out"
        exit 77
    fi
    c down || problem "down after an up that was killed"
    leaves_nothing "up killed after $after s"
done

c up >"$work/out" 2>&1
status=$?
[ $status = 0 ] || {
    cat "$work/out"
    tail -n 5 "$work"/*.log "$work"/nodes/*/*.log
    exit $status
}
(. "$work/env" && [ "$SLURM_CONF" = "$work/slurm.conf" ] && [ "$SHARED" = "$work/shared" ] &&
    [ "$LOCAL" = "$work/local" ] && [ "$PERIGEE_CLUSTER" = "$work" ]) || problem "wrong env file"
c up >/dev/null 2>&1 && problem "a second up in the same folder"

# Nodes, names, files.
expect head c exec head hostname
expect n2 c exec n2 hostname
expect "n1 n2 n3" sorted head srun --mpi=pmix -N3 -n3 hostname
for n in n1 n2 n3; do echo "of $n" >"$work/nodes/$n/local/file"; done
expect "of n1 of n2 of n3" sorted head srun -N3 -n3 cat "$work/local/file"
echo common >"$work/shared/file"
expect "common common common" sorted head srun -N3 -n3 cat "$work/shared/file"
expect "" c exec n1 sh -c "touch /tmp/x /dev/shm/x && ls /tmp/pc.* >/dev/null"
expect "" c exec n2 sh -c "ls -A /dev/shm; ls /tmp | grep -vx '${work#/tmp/}' | grep -x x; true"
expect "" c exec n1 test -x "$cluster"

# Daemons that are killed. Slurm writes its state every 5 seconds: what ended since then it would
# believe to be running still.
sleep 6
c kill slurmctld
head timeout 10 scontrol ping 2>/dev/null | grep -q 'is UP' && problem "slurmctld survived"
c start slurmctld
job=$(head sbatch --parsable -w n1 -o /dev/null --wrap 'sleep 4')
until_true 10 sh -c "'$cluster' exec '$work' n1 ps ax | grep -q 'sleep [4]'" ||
    problem "the job does not start"
c kill slurmd n1
[ -z "$(c exec n1 ps -C slurmd -o pid=)" ] || problem "slurmd survived"
[ -n "$(c exec n1 ps -C slurmstepd -o pid=)" ] || problem "its job did not survive"
c start slurmd n1
until_true 30 sh -c "'$cluster' exec '$work' head scontrol show job $job | grep -q COMPLETED" ||
    problem "a job whose slurmd was killed: $(job_state "$job")"

# A node that vanishes.
job=$(head sbatch --parsable -w n3 -o /dev/null --wrap 'sleep 100')
until_true 10 sh -c "'$cluster' exec '$work' n3 ps ax | grep -q 'sleep 10[0]$'" ||
    problem "the job does not start"
c node-off n3
c exec n3 true 2>/dev/null && problem "n3 is still there"
links_of | grep -q n3 && problem "the cable of n3 is still there"
until_true 60 sh -c "'$cluster' exec '$work' head scontrol show job $job | grep -q NODE_FAIL" ||
    problem "a job on a node that vanished: $(job_state "$job")"
c node-on n3
c wait 40 || problem "n3 does not come back"
expect "of n3" head srun -w n3 cat "$work/local/file"

# Nodes that slurmctld drained because of its own end come back; others do not.
head scontrol update nodename=n1 state=drain reason="Duplicate jobid"
head scontrol update nodename=n2 state=drain reason="disk exchange"
expect "resumed n1, which was drained: Duplicate jobid" c resume
expect "" c resume
expect "n1 idle n2 drained n3 idle" sorted head \
    sh -c "sinfo -h -p normal -N -o '%N %T' | tr -d '*'" # *: has not been asked since
c show | grep -q '^n2 drained .*disk exchange' || problem "show does not say why n2 is drained"
c kill slurmd n3
[ "$(c show | grep -c 'slurmd runs')" = 2 ] || problem "show does not see which slurmd runs"
c start slurmd n3

# Down, with a job that ignores signals.
head sbatch -o /dev/null --wrap 'trap "" TERM INT HUP; sleep 1000; sleep 1000' >/dev/null
sleep 1
c down || problem "down"
leaves_nothing down
c down || problem "a second down"

[ $failures = 0 ] && echo "all is well"
exit $((failures > 0))
