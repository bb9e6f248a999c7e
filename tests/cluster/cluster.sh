#!/bin/bash
# cluster.sh - a real Slurm of several nodes on this one machine, for tests: `cluster.sh` alone
# prints how it is used, README.md tells what is inside.
#
# A node is a set of namespaces (network, UTS, mount, PID, IPC) held by one process, its init:
# when that is killed, all of the node is gone at once, its end of the network cable included.
# Nothing has a name outside of DIR but the bridge and the cables, which carry a hash of DIR.
# All that it starts has SLURM_CONF=DIR/slurm.conf in its environment from the first on: by that
# mark `down` finds also what an `up` that was killed has left.
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
self=$(realpath "$0")
. "$(dirname "$self")/admin.sh"

usage() {
    cat <<'USAGE'
usage: cluster.sh up DIR [NODES]               start (3 nodes); everything lies below DIR
       cluster.sh down DIR                     stop; leaves nothing but DIR; may be repeated
       cluster.sh exec DIR NODE|head CMD...    run something on a node or on the head
       cluster.sh kill DIR slurmctld           kill -9
       cluster.sh kill DIR slurmd NODE
       cluster.sh start DIR slurmctld          and start it again
       cluster.sh start DIR slurmd NODE
       cluster.sh node-off DIR NODE            the node loses its power
       cluster.sh node-on DIR NODE             and starts again
       cluster.sh wait DIR [SECONDS]           until all nodes are idle
       cluster.sh resume DIR                   nodes that a kill has put out of service; says which
       cluster.sh show DIR                     nodes, daemons, last words: what went wrong?
DIR/env, for `source`, says where things are. Exit status 77: this machine cannot do it.
Environment of `up`: CPUS (of a node: 2), MEMORY (of a node, MB: 4000), FEATURES_n1 (comma list),
CLUSTER_CONF (lines for slurm.conf), CLUSTER_KEEP (further folders in /tmp that nodes are to see).
USAGE
    exit 2
}

fail() {
    echo "cluster.sh: $*" >&2
    exit 1
}

skip() {
    echo "skipped: $*"
    exit 77
}

# until_true SECONDS COMMAND...: false if it was never true.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# ---- processes ----

ended() { ! grep -qs '^State:\s[^Z]' "/proc/$1/status"; }

# Ours by the mark; the id of a process may have gone to somebody else.
is_ours() { grep -qszxF "SLURM_CONF=$SLURM_CONF" "/proc/$1/environ"; }

# The process id in file $1, if it still is ours.
pid_of() {
    local pid
    pid=$(cat "$1" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] && ! ended "$pid" && is_ours "$pid" &&
        echo "$pid"
}

kill_hard() {
    kill -KILL "$1" 2>/dev/null
    until_true 10 ended "$1"
}

# Those that this script runs in: they have the mark when the caller has read DIR/env.
ancestors() {
    local pid=$BASHPID
    while [ "$pid" -gt 1 ]; do
        echo "$pid"
        pid=$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || break
    done
}

strays() {
    local not dir pid
    not=" $(ancestors | xargs) "
    for dir in /proc/[0-9]*; do
        pid=${dir#/proc/}
        [[ $not == *" $pid "* ]] && continue
        is_ours "$pid" && ! ended "$pid" && echo "$pid"
    done
    return 0
}

# ---- the nodes ----

# In the node's new namespaces, as its first process: gives it its own files. Then it is the
# init, which has to reap the orphans.
node_init() {
    local node=$2 keep path fd fds=()
    hostname "$node"
    exec </dev/null
    # Folders in /tmp that stay visible are held open while another /tmp is put in the way.
    readarray -t keep <"$dir/keep"
    for path in "${keep[@]}"; do
        exec {fd}<"$path" || exit 1
        fds+=("$fd")
    done
    mount --bind "$dir/nodes/$node/local" "$dir/local" &&
        mount --bind "$dir/hosts" /etc/hosts &&
        mount -t tmpfs -o mode=1777 tmpfs /dev/shm &&
        mount --bind "$dir/nodes/$node/tmp" /tmp || exit 1
    local i
    for i in "${!keep[@]}"; do
        mkdir -p "${keep[i]}" && mount -c --rbind "/proc/self/fd/${fds[i]}" "${keep[i]}" ||
            exit 1
        fd=${fds[i]}
        exec {fd}<&-
    done
    cd / || exit 1
    until_true 20 ip link show dev eth0 &>/dev/null || exit 1
    ip link set lo up && ip link set eth0 up &&
        ip addr add "$net.$((10 + ${node#n}))/24" dev eth0 || exit 1
    touch "$dir/nodes/$node/ready"
    trap : TERM INT HUP
    while :; do
        sleep 1000000 &
        wait $!
    done
}

children_of() { cat "/proc/$1/task/$1/children" 2>/dev/null; }
has_child() { [ -n "$(children_of "$1")" ]; }

node_on() {
    local node=$1 home=$dir/nodes/$1 cable=$hash${1} parent pid
    pid=$(pid_of "$home/init.pid") && return 0
    mkdir -p "$home/tmp" "$home/local" "$home/spool"
    chmod 1777 "$home/tmp" "$home/local"
    rm -f "$home/ready" "$home/slurmd.pid"
    # Not a child of this shell only, but with a session of its own.
    setsid unshare --net --uts --mount --ipc --pid --fork --kill-child --mount-proc \
        --propagation private "$self" node-init "$dir" "$node" \
        </dev/null >>"$home/init.log" 2>&1 &
    parent=$!
    until_true 10 has_child $parent || fail "node $node does not start: see $home/init.log"
    pid=$(children_of $parent | awk '{ print $1 }')
    echo "$pid" >"$home/init.pid"
    ip link del "$cable" 2>/dev/null
    # Before unshare has made the network the cable would end up in ours.
    until_true 10 own_network "$pid" || fail "node $node has no network"
    ip link add "$cable" type veth peer name eth0 netns "$pid" &&
        ip link set "$cable" master "$hash" up || fail "cannot make the network of node $node"
    until_true 20 test -e "$home/ready" || fail "node $node does not start: see $home/init.log"
}

own_network() {
    local its
    its=$(readlink "/proc/$1/ns/net") && [ "$its" != "$(readlink /proc/self/ns/net)" ]
}

node_off() {
    local pid
    pid=$(pid_of "$dir/nodes/$1/init.pid") || return 0
    kill_hard "$pid" || fail "node $1 does not go"
    ip link del "$hash$1" 2>/dev/null # it goes with the node, but not at once
    rm -f "$dir/nodes/$1/init.pid" "$dir/nodes/$1/slurmd.pid"
}

on_node() {
    local pid
    pid=$(pid_of "$dir/nodes/$1/init.pid") || fail "node $1 is off"
    shift
    nsenter -t "$pid" --net --uts --mount --ipc --pid "$@"
}

# ---- the daemons ----

on_head() {
    local pid
    pid=$(pid_of "$dir/head.pid") || fail "there is no head: is the cluster up?"
    nsenter -t "$pid" --uts "$@"
}

start_head() {
    pid_of "$dir/head.pid" >/dev/null && return
    setsid unshare --uts bash -c 'hostname head && touch "$1" && exec sleep infinity' - \
        "$dir/head.ready" </dev/null >>"$dir/head.log" 2>&1 &
    echo $! >"$dir/head.pid"
    until_true 10 test -e "$dir/head.ready" || fail "the head does not start: see $dir/head.log"
}

start_munged() {
    pid_of "$dir/munge/pid" >/dev/null && return
    setsid munged --foreground --force --num-threads=4 --key-file="$dir/munge/key" \
        --socket="$dir/munge/socket" --pid-file="$dir/munge/munged.pid" \
        --log-file="$dir/munge/munged.log" --seed-file="$dir/munge/seed" \
        </dev/null >>"$dir/munge/out.log" 2>&1 &
    echo $! >"$dir/munge/pid"
    until_true 10 test -S "$dir/munge/socket" || fail "munged does not start: see $dir/munge"
}

slurmctld_answers() { on_head timeout 5 scontrol ping 2>/dev/null | grep -q 'is UP'; }

slurmctld_settled() { ended "$1" || slurmctld_answers; }

start_slurmctld() {
    pid_of "$dir/slurmctld.pid" >/dev/null && return
    local head pid try
    head=$(pid_of "$dir/head.pid") || fail "there is no head: is the cluster up?"
    for try in 1 2 3; do
        setsid nsenter -t "$head" --uts slurmctld -D </dev/null >>"$dir/slurmctld.out" 2>&1 &
        pid=$!
        echo $pid >"$dir/slurmctld.pid"
        until_true 60 slurmctld_settled $pid || break
        ended $pid || return 0
        echo "slurmctld ended at its start (try $try)" >&2
        sleep 0.5
    done
    fail "slurmctld does not start: see $dir/slurmctld.log"
}

# Process ids in a node's files are those of its own namespace.
slurmd_runs() {
    on_node "$1" sh -c 'grep -qx slurmd "/proc/$(cat "$0")/comm"' "$dir/nodes/$1/slurmd.pid" \
        2>/dev/null
}
slurmd_gone() { ! slurmd_runs "$1"; }

start_slurmd() {
    local try
    for try in 1 2 3; do
        slurmd_runs "$1" && return
        on_node "$1" slurmd -N "$1" </dev/null >>"$dir/nodes/$1/slurmd.out" 2>&1 &&
            until_true 10 slurmd_runs "$1" && return
        echo "slurmd of node $1 did not start (try $try)" >&2
        sleep 0.5
    done
    fail "slurmd of node $1 does not start: see $dir/nodes/$1"
}

kill_slurmd() {
    slurmd_runs "$1" || return 0
    on_node "$1" sh -c 'kill -KILL "$(cat "$0")"' "$dir/nodes/$1/slurmd.pid"
    until_true 10 slurmd_gone "$1" || fail "slurmd of node $1 does not go"
}

all_idle() {
    local states
    states=$(on_head timeout 5 sinfo -h -N -o '%N %T' 2>/dev/null | sort -u) || return 1
    [ "$(grep -c ' idle$' <<<"$states")" = "$(ls "$dir/nodes" | wc -l)" ]
}

# ---- up ----

check_machine() {
    local command
    [ "$(id -u)" = 0 ] || skip "only root can run slurmd"
    for command in munged slurmctld slurmd srun; do
        command -v $command >/dev/null ||
            skip "there is no $command (Debian: slurmctld slurmd slurm-client munge)"
    done
    command -v ip >/dev/null || skip "there is no ip (Debian: iproute2)"
    unshare --net --uts --mount --ipc --pid --fork true 2>/dev/null ||
        skip "this machine allows no namespaces"
    ip link add "${hash}t" type bridge 2>/dev/null && ip link del "${hash}t" ||
        skip "this machine allows no network bridge"
}

# A /24 that no address and no route but the default one covers.
choose_net() {
    local n=$((0x${hash#pg} & 0xffff)) i
    for i in {1..50}; do
        net=10.$((64 + n % 128)).$((n / 128 % 256))
        [ -z "$(ip -4 route show match "$net.1" | grep -v ^default)$(
            ip -4 route show root "$net.0/24")" ] && return
        n=$(((n + 7919) & 0xffff))
    done
    fail "there is no free network 10.x.y.0/24"
}

choose_port() {
    local i
    port=$((10000 + 0x${hash#pg} % 20000))
    for i in {1..50}; do
        [ -z "$(ss -Hltn "sport = :$port")" ] && return
        port=$((10000 + (port + 7) % 20000))
    done
    fail "there is no free port for slurmctld"
}

write_conf() {
    local i features
    cat <<CONF
ClusterName=$hash
SlurmctldHost=head($net.1)
SlurmctldPort=$port
SlurmdPort=6818
SlurmUser=root
SlurmdParameters=config_overrides
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket,cred_expire=20
CryptoType=crypto/munge
StateSaveLocation=$dir/ctld
SlurmdSpoolDir=$dir/nodes/%n/spool
SlurmctldPidFile=$dir/slurmctld.daemon
SlurmdPidFile=$dir/nodes/%n/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/nodes/%n/slurmd.log
SlurmctldDebug=verbose
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=pmix
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerNode=400
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,bf_continue,bf_max_job_test=1000,default_queue_depth=1000
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
JobRequeue=0
MessageTimeout=5
TCPTimeout=2
SlurmctldTimeout=10
SlurmdTimeout=10
InactiveLimit=20
KillWait=5
MinJobAge=60
UnkillableStepTimeout=30
MaxArraySize=10001
CONF
    for ((i = 1; i <= count; i++)); do
        features=FEATURES_n$i
        echo "NodeName=n$i NodeAddr=$net.$((10 + i)) CPUs=${CPUS:-2} RealMemory=${MEMORY:-4000}" \
            "Feature=perigee${!features:+,${!features}}"
    done
    cat <<CONF
PartitionName=normal Nodes=ALL Default=YES State=UP PriorityTier=10 PreemptMode=OFF MaxTime=1-0
PartitionName=preemptible Nodes=ALL State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=3
CONF
    [ -z "${CLUSTER_CONF:-}" ] || echo "$CLUSTER_CONF"
}

# What of /tmp the nodes see: DIR, the checkout, the working folder, programs.
write_keep() {
    local path
    for path in "$dir" "$(realpath "$(dirname "$self")/../..")" "$PWD" ${PERIGEE_BIN:-} \
        ${CLUSTER_KEEP:-}; do
        path=$(realpath "$path") || continue
        [[ $path == /tmp/* ]] && echo "$path"
    done | sort -u
}

up() {
    local i
    [[ $count =~ ^[1-9][0-9]?$ ]] || usage
    [ "${#dir}" -le 60 ] || fail "$dir is too long a name: below it are sockets"
    [[ $dir =~ ^/[A-Za-z0-9_./+-]+$ ]] || fail "$dir: only letters, digits and _.+- please"
    check_machine
    [ -z "$(strays)" ] && ! ip link show dev "$hash" &>/dev/null ||
        fail "there is a cluster in $dir already, or a part of one: cluster.sh down $dir"
    choose_net
    choose_port
    trap 'down; exit 1' INT TERM HUP
    trap '[ $? = 0 ] || down' EXIT
    umask 022
    rm -rf "$dir/nodes" "$dir/ctld" "$dir/munge"
    mkdir -p "$dir"/{munge,ctld,shared,local,nodes}
    chmod a+x "$dir"
    chmod 1777 "$dir/shared" "$dir/local"
    (umask 077 && head -c 128 /dev/urandom >"$dir/munge/key")
    echo "$net" >"$dir/net"
    write_keep >"$dir/keep"
    write_conf >"$SLURM_CONF"
    {
        echo "127.0.0.1 localhost"
        echo "$net.1 head"
        for ((i = 1; i <= count; i++)); do echo "$net.$((10 + i)) n$i"; done
    } >"$dir/hosts"
    cat >"$dir/env" <<ENV
export SLURM_CONF=$SLURM_CONF
export PERIGEE_CLUSTER=$dir
export SHARED=$dir/shared
export LOCAL=$dir/local
export CLUSTER_NODES="$(for ((i = 1; i <= count; i++)); do printf 'n%d ' $i; done)"
ENV
    ip link add "$hash" type bridge && ip link set "$hash" up &&
        ip addr add "$net.1/24" dev "$hash" || fail "cannot make the bridge $hash"
    start_munged
    start_head
    for ((i = 1; i <= count; i++)); do mkdir -p "$dir/nodes/n$i"; done
    for ((i = 1; i <= count; i++)); do node_on "n$i"; done
    start_slurmctld
    for ((i = 1; i <= count; i++)); do start_slurmd "n$i"; done
    until_true 40 all_idle || fail "the nodes do not get idle: see $dir/slurmctld.log"
    trap - EXIT INT TERM HUP
    echo "$dir/env"
}

# ---- down ----

# By pid where that is known, then by the mark: again, until there is none, as one that is
# starting others may be quicker.
down() {
    trap - EXIT INT TERM HUP
    local pid file link round
    if pid=$(pid_of "$dir/slurmctld.pid"); then # in order, so that no port stays busy
        kill -TERM "$pid"
        until_true 5 ended "$pid"
    fi
    for file in "$dir"/nodes/*/init.pid; do
        pid=$(pid_of "$file") && kill -KILL "$pid"
    done
    for round in 1 2 3 4 5 6 7 8; do
        pid=$(strays)
        [ -n "$pid" ] || break
        kill -KILL $pid 2>/dev/null
        sleep 0.2
    done
    for link in $(ip -o link show 2>/dev/null | sed -n "s/^[0-9]*: \($hash[a-z0-9]*\)[@:].*/\1/p"); do
        ip link del "$link" 2>/dev/null
    done
    rm -f "$dir"/nodes/*/*.pid "$dir"/*.pid "$dir"/munge/{pid,socket,socket.lock} "$dir/head.ready"
    pid=$(strays)
    [ -z "$pid" ] || fail "processes are left: $pid"
}

# ---- main ----

[ $# -ge 2 ] || usage
command=$1
dir=$(realpath -m "$2")
# Variables of the caller's own job or cluster would reach the daemons, and their jobs.
unset "${!SLURM_@}" "${!SRUN_@}" "${!SALLOC_@}" "${!SBATCH_@}"
export SLURM_CONF=$dir/slurm.conf
hash=pg$(printf %s "$dir" | sha1sum | cut -c1-8)
net=$(cat "$dir/net" 2>/dev/null)
is_node() { [[ ${1:-} =~ ^n[0-9]+$ ]] && [ -d "$dir/nodes/$1" ] || fail "no such node: ${1:-}"; }

case $command in
up)
    count=${3:-3}
    up
    ;;
down) down ;;
exec)
    [ $# -ge 4 ] || usage
    where=$3
    shift 3
    if [ "$where" = head ]; then
        on_head "$@"
    else
        is_node "$where"
        on_node "$where" "$@"
    fi
    ;;
kill | start)
    case ${3:-} in
    slurmctld)
        if [ "$command" = start ]; then
            start_slurmctld
        else
            pid=$(pid_of "$dir/slurmctld.pid") && kill_hard "$pid"
            rm -f "$dir/slurmctld.pid"
        fi
        ;;
    slurmd)
        is_node "${4:-}"
        "${command}_slurmd" "$4"
        ;;
    *) usage ;;
    esac
    ;;
node-off)
    is_node "${3:-}"
    node_off "$3"
    ;;
node-on)
    is_node "${3:-}"
    node_on "$3"
    start_slurmd "$3"
    ;;
wait) until_true "${3:-40}" all_idle || fail "not all nodes are idle" ;;
resume) resume ;;
show) show ;;
node-init) node_init "$dir" "$3" ;;
*) usage ;;
esac
