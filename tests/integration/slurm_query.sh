#!/bin/bash
# slurm_query.sh - `perigee query` inside a Slurm allocation: its ranks are a job step, with the
# rows and messages of one process, and end when the query or the job is cancelled.
#
# Brings up a cluster of one node, with munged, slurmctld and slurmd as processes of its own:
# private folder, private key, free ports; a Slurm that this machine may have is not touched. The
# script calls itself as "inside" for what happens within an allocation.
#
# From the environment: PERIGEE_BIN (programs), PERIGEE_PYTHON (with h5py), PERIGEE_TEST_SLACK
# (seconds on top of the one that a cancellation may take; a loaded machine needs some).
set -u
export PATH=$PATH:/usr/sbin
self=$(realpath "$0")
bin=${PERIGEE_BIN:-$(dirname "$self")/../../build/release/bin}
bin=$(cd "$bin" && pwd) || exit 1
slack=${PERIGEE_TEST_SLACK:-1}
python=${PERIGEE_PYTHON:-/usr/bin/python3}

skip() {
    echo "skipped: $*"
    exit 77
}

failures=0
problem() {
    echo "FAILED: $name: $*"
    [ -s err ] && sed 's/^/    | /' err
    failures=$((failures + 1))
}

# Processes of this cluster with this name: others may run queries on this machine.
ours() {
    local pid
    for pid in $(pgrep "$1" 2>/dev/null); do
        grep -qzxF "SLURM_CONF=$SLURM_CONF" "/proc/$pid/environ" 2>/dev/null && echo "$pid"
    done
}

# until_true SECONDS COMMAND...: false if it was never true.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

ended() { ! grep -q '^State:\s[^Z]' "/proc/$1/status" 2>/dev/null; }
no_rank() { [ -z "$(ours perigee-task)" ]; }
two_ranks() { [ "$(ours perigee-task | wc -l)" = 2 ]; }
no_job() { [ -z "$(squeue -h 2>&1)" ]; }
strays() { ours '^(slurmstepd|srun|salloc|sbatch|sh|bash|timeout|perigee|perigee-task)$'; }
no_stray() { [ -z "$(strays)" ]; }
idle() { [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; }

query() { timeout 30 "$bin/perigee" query "$@"; }

# says STATUS TEXT: so it ended, with one message and nothing of Slurm's.
says() {
    [ $status = "$1" ] || problem "exit status $status instead of $1"
    grep -q -- "$2" err || problem "does not say \"$2\""
    [ "$(grep -c '^perigee: ' err)" = 1 ] || problem "not one message"
    grep -qE '^(srun|slurmstepd|slurmd)' err && problem "noise of Slurm"
}

leaves_nothing() {
    until_true 3 no_rank || problem "ranks are left: $(ours perigee-task | xargs)"
    [ -z "$(ls -A "$TMPDIR")" ] || problem "left behind: $(ls -A "$TMPDIR")"
}

groups="SELECT i % 7 AS k, count(*) AS n, sum(i) AS s FROM 't.h5:/t' WHERE x > 100
        GROUP BY k ORDER BY k"
rows="SELECT i, x FROM 't.h5:/t' ORDER BY i"
pairs="SELECT a.i, b.i AS j FROM 't.h5:/t' a, 't.h5:/t' b"
compute="SELECT sum(a.i * b.i) FROM 't.h5:/t' a, 't.h5:/t' b" # for hours

# ---- within an allocation of two tasks ----

next_step() { srun -n 1 printenv SLURM_STEP_ID; }

check_rows() {
    local before after
    before=$(next_step)

    name="-n 2"
    query -q -n 2 --format csv "$groups" >two.csv 2>err || problem "failed"
    cmp groups.csv two.csv || problem "other rows than in one process"

    name="without -n"
    query --format csv "$rows" >default.csv 2>err || problem "failed"
    cmp rows.csv default.csv || problem "other rows than in one process"
    grep -q '^300,\?000 rows in' err || problem "no closing line"

    name="into a file"
    (mkdir -p sub && cd sub && query -q -n 2 -o ../file.csv "${rows/t.h5/../t.h5}") 2>err ||
        problem "failed"
    cmp rows.csv file.csv || problem "other rows than in one process"

    name="one process"
    query -q -n 1 --format csv "$groups" >one.csv 2>err || problem "failed"
    cmp groups.csv one.csv || problem "other rows"

    name="job steps"
    after=$(next_step)
    [ "$((after - before))" = 4 ] ||
        problem "three queries on ranks made $((after - before - 1)) steps"
}

check_messages() {
    name="a missing column"
    query -n 2 "SELECT count(nope) FROM 't.h5:/t'" >out 2>err
    status=$?
    says 2 nope
    [ -s out ] && problem "rows, though it failed"

    name="more ranks than tasks"
    query -n 4 "$groups" >out 2>err
    status=$?
    says 2 "allocation"

    name="from within a step"
    srun -n 1 timeout 20 "$bin/perigee" query -q -n 2 --format csv "$groups" >two.csv 2>err ||
        problem "failed"
    cmp groups.csv two.csv || problem "other rows than in one process"

    name="a reader that goes away"
    { query -n 2 --format csv "$pairs" 2>err; echo $? >status; } | head -2 >out
    [ "$(cat status)" = 141 ] || problem "exit status $(cat status)"
    [ -s err ] && problem "has something to say"
    [ "$(wc -l <out)" = 2 ] || problem "not even the first rows came"
    leaves_nothing

    name="a reader that goes away, rows into a file"
    { query -q -n 2 -o gone.csv "$groups" 2>err; echo $? >status; } | true
    [ "$(cat status)" = 0 ] || problem "exit status $(cat status)"
}

check_interrupt() {
    local pid began took
    name="Ctrl-C"
    setsid "$bin/perigee" query "$compute" >out 2>err & # as many ranks as tasks
    pid=$!
    until_true 15 two_ranks || problem "the ranks did not start"
    sleep 1
    scontrol show step >step
    grep -q 'Tasks=2 Name=perigee-task' step || problem "no job step: $(cat step)"
    for rank in $(ours perigee-task); do
        tr '\0' '\n' <"/proc/$rank/environ"
    done | grep '^SLURM_PROCID=' | sort | xargs >ids
    [ "$(cat ids)" = "SLURM_PROCID=0 SLURM_PROCID=1" ] || problem "tasks are: $(cat ids)"
    began=$(date +%s%N)
    kill -INT $pid
    until_true 20 ended $pid || kill -KILL $pid # a hang is a failure, not a wait
    wait $pid
    status=$?
    took=$((($(date +%s%N) - began) / 1000000))
    awk -v t=$took -v s="$slack" 'BEGIN { exit !(t < (1 + s) * 1000) }' || problem "took $took ms"
    says 130 cancelled
    leaves_nothing
}

if [ "${1:-}" = inside ]; then
    check_rows
    check_messages
    check_interrupt
    exit $((failures > 0))
fi

# ---- the cluster ----

for command in munged slurmctld slurmd srun salloc sbatch; do
    command -v $command >/dev/null || skip "there is no $command (Debian: slurmctld slurmd munge)"
done
[ "$(id -u)" = 0 ] || skip "only root can run slurmd"
unset "${!SLURM_@}" "${!SRUN_@}" "${!SALLOC_@}" "${!SBATCH_@}"

work=$(mktemp -d /tmp/slurm-query.XXXXXX) # short: below it are sockets
export PERIGEE_BIN=$bin PERIGEE_STATE=$work/state SLURM_CONF=$work/slurm.conf TMPDIR=$work/tmp
export ASAN_OPTIONS=detect_leaks=0 # Open MPI leaks
daemons=()

# run SECONDS COMMAND...: a signal to this script does not wait for its end.
run() {
    timeout "$@" &
    wait $!
}

take_down() {
    trap - EXIT INT TERM
    local i pid
    kill -KILL $(ours bash) 2>/dev/null # "inside", which would go on
    [ ${#daemons[@]} = 3 ] && timeout 5 scancel -u root 2>/dev/null
    until_true 5 no_stray || kill -KILL $(strays) 2>/dev/null
    # munged, the first, is the last to go: the others speak through it.
    for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do
        pid=${daemons[i]}
        kill "$pid" 2>/dev/null
        until_true 5 ended "$pid" || kill -KILL "$pid"
    done
    rm -rf "$work"
}
trap take_down EXIT
trap 'exit 1' INT TERM

cd "$work" || exit 1
mkdir tmp slurm-tmp ctld spool munge
chmod 700 munge
(umask 077; head -c 128 /dev/urandom >munge/key)
host=$(hostname -s)
read -r ctld_port slurmd_port < <("$python" - <<'PYTHON'
import socket
s = [socket.socket() for _ in range(2)]
for x in s:
    x.bind(("127.0.0.1", 0))
print(*(x.getsockname()[1] for x in s))
PYTHON
)
cat >slurm.conf <<CONF
ClusterName=slurm-query
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$ctld_port
SlurmdPort=$slurmd_port
SlurmUser=root
SlurmdParameters=config_overrides
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
StateSaveLocation=$work/ctld
SlurmdSpoolDir=$work/spool
TmpFS=$work/slurm-tmp
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1
MpiDefault=pmix
ReturnToService=2
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 CPUs=2 RealMemory=500
PartitionName=all Nodes=n1 Default=YES State=UP
CONF
[[ $(srun --mpi=list 2>&1) == *pmix* ]] || skip "this Slurm has no PMIx (srun --mpi=list)"

munged --foreground --force --key-file=munge/key --socket="$work/munge/socket" \
    --pid-file="$work/munge/pid" --log-file="$work/munge/log" --seed-file="$work/munge/seed" \
    2>munge.err &
daemons+=($!)
until_true 5 test -S munge/socket
slurmctld -D >slurmctld.out 2>&1 &
daemons+=($!)
slurmd -D -N n1 >slurmd.out 2>&1 &
daemons+=($!)
if ! until_true 20 idle; then
    echo "FAILED: the cluster did not start"
    tail -n 20 munge.err slurmctld.out slurmd.out
    exit 1
fi

"$python" - <<'PYTHON' || exit 1
import h5py, numpy as np
with h5py.File("t.h5", "w") as f:
    f.create_dataset("t/i", data=np.arange(300000), chunks=(10000,), compression="gzip")
    f["t/x"] = np.sqrt(np.arange(300000.0))
PYTHON
name="outside an allocation"
query -q -n 1 --format csv "$groups" >groups.csv 2>err || problem "failed"
query -q -n 1 --format csv "$rows" >rows.csv 2>err || problem "failed"
[ "$(wc -l <rows.csv)" = 300001 ] || problem "not all rows"

name="salloc"
rm -f err
run 100 salloc -Q -n 2 bash "$self" inside || problem "not all was well inside"

name="sbatch"
cat >job.sh <<JOB
#!/bin/sh
"$bin/perigee" query -q --format csv "$groups" >batch.csv 2>err
JOB
run 40 sbatch --wait -Q -n 2 -o job.out job.sh || problem "failed"
cmp groups.csv batch.csv || problem "other rows than in one process"

name="scancel of a batch job"
cat >job.sh <<JOB
#!/bin/sh
exec "$bin/perigee" query -o out.csv "$pairs" 2>err
JOB
job=$(sbatch --parsable -n 2 -o job.out job.sh)
until_true 20 two_ranks || problem "the ranks did not start"
sleep 1
scancel "$job"
until_true 10 no_job || problem "the job is still there"
leaves_nothing
[ -z "$(ls -A | grep out.csv)" ] || problem "left behind: $(ls -A | grep out.csv)"

name="scancel below salloc"
timeout 40 salloc -Q -n 2 sh -c "\"$bin/perigee\" query \"$compute\" 2>err; echo \$? >status" \
    >out 2>salloc.err &
pid=$!
until_true 20 two_ranks || problem "the ranks did not start"
sleep 1
scancel -u root
wait $pid
status=$(cat status)
says 130 "cancelled by Slurm"
leaves_nothing

[ $failures = 0 ] && echo "all is well"
exit $((failures > 0))
