# admin.sh - a part of cluster.sh, not run by itself: what an administrator does and looks at when
# the daemons of a cluster were killed.

# After slurmctld was killed. It has lost its last seconds: a job that began in them waits again, and
# may be sent to a node that still has it. The node refuses, slurmctld drains it ("Duplicate jobid"),
# and leaves it so: it is for an administrator to say that nothing is wrong with the node. Any other
# reason is none of ours, and stays.
resume() {
    local node state reason
    on_head timeout 5 sinfo -h -N -o '%N|%T|%E' 2>/dev/null | sort -u |
        while IFS='|' read -r node state reason; do
            [[ $state == drain* && $reason == "Duplicate jobid" ]] || continue
            # Refused until the node has told a new slurmctld of itself.
            on_head timeout 5 scontrol update nodename="$node" state=resume </dev/null \
                >/dev/null 2>&1 &&
                echo "resumed $node, which was $state: $reason"
        done
    return 0
}

show() {
    local node nodes
    nodes=$(ls "$dir/nodes")
    echo "---- nodes"
    on_head timeout 10 sinfo -N -o '%N %T since %H: %E' 2>&1 | sort -u
    on_head timeout 10 scontrol -o show node 2>&1
    echo "---- daemons"
    for node in munge/pid head.pid slurmctld.pid; do
        echo "$node: $(pid_of "$dir/$node" || echo gone)"
    done
    for node in $nodes; do
        echo "$node: init $(pid_of "$dir/nodes/$node/init.pid" || echo gone)," \
            "slurmd $( (slurmd_runs "$node") && echo runs || echo gone)"
    done
    for node in $nodes; do
        echo "---- slurmd of $node"
        tail -n 15 "$dir/nodes/$node/slurmd.log" "$dir/nodes/$node/slurmd.out" 2>/dev/null
    done
    echo "---- slurmctld: what it complained of"
    grep -aE 'error:|fatal:|DRAIN|DOWN|not responding|returned to service' "$dir/slurmctld.log" |
        grep -avE 'MailProg|accounting|state file|backup state' | tail -n 30
    echo "---- slurmctld: its last words"
    grep -av debug "$dir/slurmctld.log" | tail -n 40
    tail -n 5 "$dir/slurmctld.out"
}
