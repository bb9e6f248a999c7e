#!/bin/bash
# locality.sh - a dataset whose files lie on the disks of three nodes is queried over these nodes:
# the rows of one process that sees all files, and every byte read on the node that holds it.
#
# Brings up a cluster of its own (cluster.sh); skipped (77) where that cannot be. The script calls
# itself as "inside" for what happens within an allocation. From the environment: PERIGEE_BIN.
set -u
self=$(realpath "$0")
here=$(dirname "$self")
bin=${PERIGEE_BIN:-$here/../../build/release/bin}
bin=$(cd "$bin" && pwd) || exit 1
data=$here/../../examples/data
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

failures=0
problem() {
    echo "FAILED: $name: $*"
    [ -s err ] && sed 's/^/    | /' err
    failures=$((failures + 1))
}

query() { timeout 200 "$bin/perigee" query "$@"; }

# value NAME: of a number at the top of the report.
value() { python3 -c 'import json,sys; print(json.load(open("report"))[sys.argv[1]])' "$1"; }

# The order of rows without ORDER BY is by node: compared are the rows.
queries=(
    "SELECT count(*) AS n, count(DISTINCT ParticleIDs) AS d FROM run64.dm"
    "SELECT snapnum, count(*) AS n, max(GroupMass) AS m FROM run64.groups GROUP BY snapnum"
    "SELECT snapnum, file, row, idx, SubhaloGroupNr, SubhaloLen FROM run64.subhalos"
    "SELECT g.snapnum, g.idx, g.GroupLen, s.SubhaloLen FROM run64.groups g
       JOIN run64.subhalos s ON s.snapnum = g.snapnum AND s.idx = g.GroupFirstSub
      WHERE g.GroupNsubs > 1"
    "SELECT file, count(*) AS n, min(row) AS a, max(row) AS b FROM run64.treehalos GROUP BY file"
    "SELECT median(SubhaloLen) AS m, quantile_cont(SubhaloMass, 0.9) AS q FROM run64.subhalos
      WHERE snapnum = 23"
    "SELECT idx, GroupLen, rank() OVER (PARTITION BY snapnum ORDER BY GroupLen DESC, idx) AS r
       FROM run64.groups WHERE GroupLen > 100"
    "SELECT GroupLen, snapnum, idx FROM run64.groups ORDER BY GroupLen DESC, snapnum, idx LIMIT 20"
    "SELECT count(*) AS n FROM run64.subhalos WHERE SubhaloLen > (SELECT avg(SubhaloLen)
       FROM run64.subhalos WHERE snapnum = 14)"
    "SELECT count(*) AS n, min(SubhaloLen) AS a FROM run64.subhalos WHERE SubhaloMass > 100"
    "SELECT * FROM run64.treetimes"
    "SELECT snapnum, count(*) AS n FROM run64.descendants GROUP BY ALL"
    "SELECT a.TreeID, a.n, t.Length FROM (SELECT TreeID, count(*) AS n FROM run64.treehalos
       GROUP BY TreeID) a JOIN run64.trees t USING (TreeID)"
    "SELECT idx, Coordinates FROM run64.dm WHERE idx % 9973 = 0"
)

# The positions of 262,144 particles.
kernel="SELECT count(*) AS groups, sum(np) AS particles, max(np) AS largest, min(idx) AS first
  FROM fof('run64.dm', snapnum => 23, min_particles => 32, linking_length => 0.15625)"

# ---- within an allocation; ranks: as many as it has tasks ----

# Every query gives the rows of one process; what is read is local, or shared.
check_rows() {
    local i want got local_bytes
    for i in "${!queries[@]}"; do
        name="$label, query $i"
        rm -f report
        PERIGEE_REPORT=report query -q --format csv "${queries[i]}" "$@" >out.csv 2>err ||
            problem "failed"
        LC_ALL=C sort out.csv | cmp -s - "ref$i.csv" || problem "other rows than in one process"
        [ -s report ] || { problem "no report"; continue; }
        [ "$(value rows)" = "$(cat "ref$i.rows")" ] || problem "another number of rows in the report"
        [ "$(value remote_bytes)" = 0 ] || problem "read $(value remote_bytes) bytes far away"
        local_bytes=$(value local_bytes)
        got=$((local_bytes + $(value shared_bytes)))
        want=$(cat "ref$i.bytes")
        # Several ranks may each read the chunk that their shares meet in.
        if [ "$exact" = yes ]; then
            [ "$got" = "$want" ] || problem "read $got bytes, one process $want"
        else
            [ "$got" -ge "$want" ] || problem "read $got bytes, one process $want"
        fi
        case $expect in
        local) [ "$got" = "$local_bytes" ] || problem "not all local: $(cat report)" ;;
        mixed) : ;;
        esac
    done
}

inside() {
    cd "$work" || exit 1
    case $1 in
    rows)
        check_rows
        ;;
    hosts)
        name="$label, what each node has read"
        PERIGEE_REPORT=report query --format csv "SELECT sum(GroupLen) FROM run64.groups" >out 2>err ||
            problem "failed"
        grep -q ': .* local, 0 B shared; of the files on n1, n2, n3$' err || problem "the closing line says nothing of it"
        python3 - report "$CLUSTER_NODES" <<'PY' || problem "hosts: $(cat report)"
import json, sys
r = json.load(open(sys.argv[1]))
hosts = sys.argv[2].split()
assert sorted(r["hosts"]) == hosts, r
assert all(h["local_bytes"] > 0 for h in r["hosts"].values()), r
assert sum(h["local_bytes"] for h in r["hosts"].values()) == r["local_bytes"], r
PY
        name="$label, explain"
        query --explain "SELECT count(*) FROM run64.groups WHERE GroupLen > 1000" >out 2>err ||
            problem "failed"
        for node in $CLUSTER_NODES; do
            grep -qE "^    $node: [1-9][0-9]* files?, .* rows.*, .* local$" out ||
                problem "node $node: $(cat out)"
        done
        name="$label, progress"
        PERIGEE_PROGRESS=progress query --format csv "${queries[2]}" >out 2>err || problem "failed"
        grep -qE '^1\.00 [0-9,]+ of [0-9,]+ rows$' progress || problem "$(cat progress)"
        grep -q 'query:' err && problem "progress on stderr as well"
        ;;
    fails) # STATUS PATTERN SQL
        name="$label"
        query "$4" >out 2>err
        [ $? = "$2" ] || problem "another exit status than $2"
        grep -qE -- "$3" err || problem "does not say \"$3\""
        [ "$(grep -c '^perigee: ' err)" = 1 ] || problem "not one message"
        ;;
    kernel) # reads what its node has; its rows, on the nodes' disks too, are those of one process
        name="$label"
        PERIGEE_REPORT=report query -q --format csv "$kernel" >out.csv 2>err || problem "failed"
        cmp -s out.csv ref-kernel.csv || problem "$(cat out.csv), in one process $(cat ref-kernel.csv)"
        [ "$(value remote_bytes) $(value shared_bytes)" = "0 0" ] || problem "$(cat report)"
        [ "$(value local_bytes)" -gt 1000000 ] || problem "$(cat report)"
        ;;
    pruned) # the index of each node's own files counts, and changes nothing
        name="$label"
        local sql="SELECT count(*), sum(SubhaloLen) FROM run64.subhalos WHERE SubhaloMass > 1e9"
        PERIGEE_REPORT=report query --format csv -q "$sql" >with.csv 2>err || problem "failed"
        local with
        with=$(value local_bytes)
        PERIGEE_REPORT=report query --format csv -q --no-index "$sql" >without.csv 2>err ||
            problem "failed"
        cmp -s with.csv without.csv || problem "other rows with the index"
        [ "$with" = 0 ] || problem "read $with bytes that no row is in"
        [ "$(value local_bytes)" -gt 0 ] || problem "nothing to skip"
        query --explain "$sql" >out 2>err || problem "no explanation"
        grep -qE 'index: fresh for ([0-9]+) of \1 files' out || problem "$(cat out)"
        # All but what cannot match, in the same order.
        local rows="SELECT snapnum, idx, SubhaloMass FROM run64.subhalos WHERE SubhaloMass > 50"
        query --format csv -q "$rows" >with.csv 2>err || problem "failed"
        query --format csv -q --no-index "$rows" >without.csv 2>err || problem "failed"
        cmp -s with.csv without.csv || problem "other rows or order with the index"
        ;;
    esac
    exit $((failures > 0))
}

if [ "${1:-}" = inside ]; then
    shift
    inside "$@"
fi

# ---- outside ----

dir=$(mktemp -d /tmp/perigee-locality-XXXXXX)
work=$dir/shared/work
trap '"$here/cluster.sh" down "$dir" >/dev/null 2>&1; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP
# The folder of libraries that programs of a build bring along.
keep=$(ldd "$bin/perigee" | awk '/libduckdb/ { print $3 }' | xargs -r dirname)
PERIGEE_BIN=$bin CLUSTER_KEEP=$keep "$here/cluster.sh" up "$dir" 3 >"$dir.up" 2>&1
status=$?
cat "$dir.up"
rm -f "$dir.up"
[ $status = 0 ] || exit $status
. "$dir/env"
mkdir -p "$work" "$dir/shared/state" "$dir/shared/all" "$dir/shared/copy"
cd "$work" || exit 1
export work PERIGEE_STATE=$dir/shared/state

# inside_of TASKS_PER_NODE ARGUMENTS...
inside_of() {
    local tasks=$1
    shift
    "$here/cluster.sh" exec "$dir" head env work="$work" PERIGEE_STATE="$PERIGEE_STATE" \
        PERIGEE_BIN="$bin" label="$label" expect="${expect:-local}" exact="${exact:-no}" \
        CLUSTER_NODES="$CLUSTER_NODES" SLURM_CONF="$SLURM_CONF" \
        salloc -Q -N 3 --ntasks-per-node="$tasks" bash "$self" inside "$@" ||
        failures=$((failures + 1))
}

on_node() { "$here/cluster.sh" exec "$dir" "$1" env PERIGEE_STATE="$PERIGEE_STATE" "${@:2}"; }

descriptor() { # storages as lines
    mkdir -p "$PERIGEE_STATE/datasets"
    { echo "name: run64"; echo "$1"; sed -n '/^sources:/,$p' "$data/gadget4_run64.yaml"; } \
        >"$PERIGEE_STATE/datasets/run64.yaml"
}

# lay NODE FILE: a copy on a node's own disk.
lay() {
    mkdir -p "$dir/nodes/$1/local/run64/$(dirname "$2")"
    cp -p "$data/$2" "$dir/nodes/$1/local/run64/$2"
}

# What one process says that sees all files.
cp -rp "$data/." "$dir/shared/all/"
name="one process"
descriptor "root: $dir/shared/all"
for i in "${!queries[@]}"; do
    PERIGEE_REPORT=report query -q -n 1 --format csv "${queries[i]}" >out.csv 2>err ||
        problem "query $i failed"
    LC_ALL=C sort out.csv >"ref$i.csv"
    value rows >"ref$i.rows"
    value shared_bytes >"ref$i.bytes"
    [ "$(value local_bytes)" = 0 ] || problem "query $i: a root is shared"
done
query -q -n 1 --format csv "$kernel" >ref-kernel.csv 2>err || problem "kernel failed"
rm -rf "$dir/shared/all"

files=$(cd "$data" && find . -name '*.hdf5' | sed 's|^\./||' | LC_ALL=C sort)
n=0
for file in $files; do
    lay n$((n % 3 + 1)) "$file"
    n=$((n + 1))
done
nodes_only="storage:
  - {folder: $dir/local/run64, on: nodes}"
descriptor "$nodes_only"

label="one rank a node" expect=local exact=yes inside_of 1 rows
label="two ranks a node" expect=local exact=no inside_of 2 rows
label="one rank a node" inside_of 1 hosts
label="kernel, one rank a node" inside_of 1 kernel
label="kernel, two ranks a node" inside_of 2 kernel

# From a batch script the first node's environment goes to all ranks.
label="from a batch script"
"$here/cluster.sh" exec "$dir" head env work="$work" PERIGEE_STATE="$PERIGEE_STATE" \
    PERIGEE_BIN="$bin" label="$label" CLUSTER_NODES="$CLUSTER_NODES" SLURM_CONF="$SLURM_CONF" \
    sbatch -Q -W -N 3 --ntasks-per-node=2 -o "$work/batch.out" \
    --wrap "bash '$self' inside hosts" >/dev/null || failures=$((failures + 1))
cat "$work/batch.out"

# What one node sees of it.
name="describe on a node"
on_node n1 "$bin/perigee" dataset check run64 >out 2>err || problem "check failed"
grep -q 'Other nodes may have them' out || problem "does not tell what is missing"
on_node n1 "$bin/perigee" describe run64.groups >out 2>err || problem "describe failed"
name="one process on one node"
on_node n1 "$bin/perigee" query "SELECT count(*) FROM run64.groups" >out 2>err &&
    problem "an answer from a part of the files"
grep -q 'this machine' err || problem "does not say why"
name="where"
on_node n2 "$bin/perigee" index --where run64 >out 2>err || problem "failed"
python3 - out "$dir" n2 <<'PY' || problem "$(cat out)"
import json, os, sys
(d,) = json.load(open(sys.argv[1]))
root = f"{sys.argv[2]}/nodes/{sys.argv[3]}/local/run64"
want = sorted(os.path.relpath(os.path.join(p, f), root) for p, _, fs in os.walk(root) for f in fs
              if f.endswith(".hdf5"))
assert d["dataset"] == "run64" and d["node"] == sys.argv[3], d
assert sorted(f["file"] for f in d["files"]) == want, d
for f in d["files"]:
    st = os.stat(os.path.join(root, f["file"]))
    assert (f["size"], f["mtime_ns"], f["on"]) == (st.st_size, st.st_mtime_ns, "nodes"), f
    assert f["path"] == f"{sys.argv[2]}/local/run64/{f['file']}", f
PY

# Indexes: each node its own.
name="index"
for node in $CLUSTER_NODES; do
    on_node "$node" "$bin/perigee" index --report run64 >out 2>err || problem "on $node"
    grep -q "\"node\": \"$node\"" out || problem "no report of $node"
    [ -s "$dir/nodes/$node/local/run64/.perigee/run64.subhalos.pidx" ] || problem "none on $node"
done
label="with an index on each node" inside_of 1 pruned
label="with an index on each node, two ranks" inside_of 2 pruned
# The nodes share the state folder: there they must not overwrite each other's.
name="index in the state folder"
for node in $CLUSTER_NODES; do
    rm -rf "$dir/nodes/$node/local/run64/.perigee"
    chmod o+w "$dir/nodes/$node/local/run64"
    on_node "$node" "$bin/perigee" index run64.subhalos >out 2>err || problem "on $node"
    chmod o-w "$dir/nodes/$node/local/run64"
    rm -rf "$dir/nodes/$node/local/run64/.perigee"
done
[ "$(ls "$PERIGEE_STATE/index" | grep -c '@n')" = 3 ] || problem "$(ls "$PERIGEE_STATE/index")"
label="with indexes in the state folder" inside_of 1 pruned
rm -rf "$PERIGEE_STATE/index"

# Some files on two nodes, some only shared.
for file in $(echo "$files" | head -4); do lay n3 "$file"; done
mkdir -p "$dir/shared/copy/run64"
for file in $(echo "$files" | tail -4); do
    mkdir -p "$dir/shared/copy/run64/$(dirname "$file")"
    cp -p "$data/$file" "$dir/shared/copy/run64/$file"
    rm -f "$dir"/nodes/*/local/run64/"$file"
done
descriptor "$nodes_only
  - {folder: $dir/shared/copy/run64, on: shared}"
label="copies, and some files shared" expect=mixed exact=no inside_of 2 rows

# Nobody has it.
descriptor "$nodes_only"
lost=groups_023/fof_subhalo_tab_023.1.hdf5
for file in $files; do
    [ -n "$(ls "$dir"/nodes/*/local/run64/"$file" 2>/dev/null)" ] || lay n1 "$file"
done
rm -f "$dir"/nodes/*/local/run64/$lost
label="a file that no node has" inside_of 1 fails 1 "$lost.*n1, n2, n3" \
    "SELECT count(*) FROM run64.groups"
lay n2 $lost
rm -f "$dir"/nodes/*/local/run64/treedata/*
label="a pattern that no node has" inside_of 1 fails 1 "treedata/trees.*n1, n2, n3" \
    "SELECT count(*) FROM run64.trees"

# Copies that differ.
lay n3 $lost
echo >>"$dir/nodes/n3/local/run64/$lost"
label="copies of different size" inside_of 1 fails 1 "$lost on n2 .*$lost on n3 " \
    "SELECT count(*) FROM run64.groups"
lay n3 $lost

[ $failures = 0 ] && echo "ok: ${#queries[@]} queries, all read where the files lie"
exit $((failures > 0))
