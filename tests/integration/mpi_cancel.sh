#!/bin/bash
# mpi_cancel.sh - a query on several ranks ends in time, with one message and nothing left
# behind, whatever happens to it: Ctrl-C, a killed or hanging rank, an error on one rank only,
# the time limit, a reader that is slow or goes away.
#
# From the environment: PERIGEE_BIN (programs), PERIGEE_TEST_SLACK (seconds on top of the one
# second that a cancellation may take; a loaded machine needs some).
set -u
bin=${PERIGEE_BIN:-$(dirname "$0")/../../build/release/bin}
bin=$(cd "$bin" && pwd) || exit 1
slack=${PERIGEE_TEST_SLACK:-0.5}
python=${PERIGEE_PYTHON:-/usr/bin/python3}
if ! command -v mpirun >/dev/null; then
    echo "skipped: there is no mpirun"
    exit 77
fi

work=$(mktemp -d /tmp/mpi-cancel.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp" "$work/spill" "$work/out"
export TMPDIR=$work/tmp PERIGEE_STATE=$work/state
export ASAN_OPTIONS=detect_leaks=0 # Open MPI leaks
cd "$work" || exit 1

"$python" - <<'PYTHON' || exit 1
import h5py, numpy as np
with h5py.File("cross.h5", "w") as f:
    f["t/i"] = np.arange(300000)
for part in range(2):
    with h5py.File(f"parts.{part}.h5", "w") as f:
        f.create_dataset("t/i", data=np.arange(400000) + 400000 * part, chunks=(10000,),
                         compression="gzip")
# Chunks of the last rows are damaged: only the last rank reads them.
with h5py.File("parts.1.h5") as f:
    d = f["t/i"].id
    hurt = [d.get_chunk_info(k) for k in range(30, 40)]
with open("parts.1.h5", "r+b") as f:
    for c in hurt:
        f.seek(c.byte_offset)
        f.write(b"\xff" * (c.size // 2))
PYTHON

failures=0
problem() {
    echo "FAILED: $name: $*"
    [ -s err ] && sed 's/^/    | /' err
    failures=$((failures + 1))
}

# The process tree below a pid.
below() {
    local child
    for child in $(pgrep -P "$1"); do
        echo "$child"
        below "$child"
    done
}

ranks_of() { pgrep -x perigee-task -P "$(pgrep -x mpirun -P "$1")"; }

# A zombie is gone; its parent is init, who may take its time.
gone() { ! grep -q '^State:\s[^Z]' "/proc/$1/status" 2>/dev/null; }

# start NAME OPTIONS...: the query in the background as $pid, all ranks at work as $family.
start() {
    name=$1
    shift
    shm_before=$(ls -d /dev/shm/perigee-* 2>/dev/null)
    setsid "$bin/perigee" query "$@" >rows 2>err &
    pid=$!
    local i
    for i in $(seq 100); do
        family=$(below $pid)
        [ "$(ranks_of $pid 2>/dev/null | wc -l)" -ge 2 ] && break
        sleep 0.05
    done
    [ "$i" = 100 ] && problem "the ranks did not start"
    sleep 1
    family=$(below $pid)
}

# ends STATUS SECONDS: it must end so, within so long from now, and leave nothing.
ends() {
    local began now status i left
    began=$(date +%s%N)
    (sleep 60; kill -KILL $pid 2>/dev/null) & # a hang is a failure, not a wait
    local guard=$!
    wait $pid
    status=$?
    kill $guard 2>/dev/null
    wait $guard 2>/dev/null
    now=$(date +%s%N)
    [ $status = "$1" ] || problem "exit status $status instead of $1"
    awk -v t=$((now - began)) -v l="$2" -v s="$slack" 'BEGIN { exit !(t < (l + s) * 1e9) }' ||
        problem "it took $(((now - began) / 1000000)) ms"
    for i in $family; do
        gone $i || sleep 1 # killed, but the kernel has much memory to give back
        gone $i || problem "process $i is still there: $(tr '\0' ' ' <"/proc/$i/cmdline")"
    done
    left=$(ls -A "$TMPDIR" "$work/spill" "$work/out" | grep -v ':$' | grep .)
    [ -n "$left" ] && problem "left behind: $left"
    # Others may run queries on this machine: theirs go away as well.
    for i in $(seq 100); do
        left=$(comm -13 <(echo "$shm_before" | sort) <(ls -d /dev/shm/perigee-* 2>/dev/null | sort))
        [ -z "$left" ] && break
        sleep 0.2
    done
    [ -n "$left" ] && problem "left behind: $left"
    rm -rf "$TMPDIR" "$work/spill" "$work/out"
    mkdir "$TMPDIR" "$work/spill" "$work/out"
}

says() {
    grep -q -- "$1" err || problem "does not say \"$1\""
    [ "$(grep -c '^perigee: ' err)" = 1 ] || problem "not one message"
    grep -qE 'mpirun|^-----' err && problem "noise of mpirun"
}

compute="SELECT sum(a.i * b.i) FROM 'cross.h5:/t' a, 'cross.h5:/t' b"
pairs="SELECT a.i, b.i AS j FROM 'cross.h5:/t' a, 'cross.h5:/t' b"

# ---- cancelled ----
start "Ctrl-C while computing" -n 2 "$compute"
kill -INT -- -$pid
ends 130 1
says cancelled

start "Ctrl-C, twice" -n 2 --into out/x.csv "$pairs"
kill -INT -- -$pid
sleep 0.05
kill -INT -- -$pid
ends 130 1
says cancelled

for format in csv h5 parquet; do
    start "Ctrl-C while writing $format" -n 3 --into out/x.$format "$pairs"
    kill -INT $pid
    ends 130 1
    says cancelled
done

start "SIGTERM while writing to stdout" -n 2 --format csv "$pairs"
kill -TERM $pid
ends 130 1
says cancelled

for k in 1 2; do
    start "Ctrl-C while rank $((k - 1)) hangs" -n 2 --into out/x.csv "$pairs"
    kill -STOP "$(ranks_of $pid | sed -n ${k}p)"
    sleep 0.3
    kill -INT $pid
    ends 130 1
    says cancelled
done

start "Ctrl-C at the start" -n 2 "$compute" # as early as ranks can be seen
kill -INT $pid
ends 130 1
says cancelled

# ---- a rank dies ----
for k in 1 2 3; do
    start "rank $((k - 1)) killed" -n 3 --temp-dir spill --into out/x.csv "$pairs"
    kill -KILL "$(ranks_of $pid | sed -n ${k}p)"
    ends 1 3
    says killed
done

start "mpirun killed" -n 2 --into out/x.csv "$pairs"
kill -KILL "$(pgrep -x mpirun -P $pid)"
ends 1 6
says killed

# ---- errors ----
name="an error on one rank only"
family=
"$bin/perigee" query -n 2 --into out/x.csv "SELECT sum(i) FROM 'parts.*.h5:/t'" >rows 2>err &
pid=$!
ends 1 20
says "parts.1.h5"

start "the time limit" -n 2 --timeout 2s --into out/x.csv "$pairs"
ends 1 7 # 2, then at most 5 for the ranks to stop
says "time limit"

name="no mpirun"
family=
PATH=/nowhere "$bin/perigee" query -n 2 "$compute" >rows 2>err &
pid=$!
ends 1 2
grep -q "openmpi-bin" err || problem "does not say how to get mpirun"

# ---- the reader ----
name="a reader that goes away"
family=
{ "$bin/perigee" query -q -n 2 --format csv "$pairs" 2>err; echo $? >status; } | head -2 >rows &
pid=$!
ends 0 20
[ "$(cat status)" = 0 ] && problem "success, though rows were lost"
[ "$(wc -l <rows)" = 2 ] || problem "not even the first rows came"

# Rows go nowhere for seconds: nobody may hoard them.
mkfifo slow
exec 3<>slow
shm_before=$(ls -d /dev/shm/perigee-* 2>/dev/null)
name="a slow reader"
"$bin/perigee" query -q -n 3 --format csv "$pairs" >slow 2>err &
pid=$!
sleep 6
family=$(below $pid)
[ "$(ranks_of $pid | wc -l)" = 3 ] || problem "the ranks are not at work"
if ! grep -q libasan /proc/"$(ranks_of $pid | head -1)"/maps; then
    for p in $family $pid; do
        kb=$(awk '/^VmRSS/ { print $2 }' "/proc/$p/status")
        [ "${kb:-0}" -lt 500000 ] || problem "process $p has $kb kB"
    done
fi
kill -INT $pid
ends 130 1
says cancelled
exec 3>&-

# ---- and after all this it works ----
name="a query that is left alone"
family=
"$bin/perigee" query -q -n 3 --format csv --into out/x.csv \
    "SELECT i FROM 'cross.h5:/t' WHERE i % 1000 = 7 ORDER BY i" >rows 2>err
[ $? = 0 ] || problem "failed"
diff -q <(echo i; seq 7 1000 299999) out/x.csv >/dev/null || problem "wrong rows"

[ $failures = 0 ] && echo "all is well"
exit $((failures > 0))
