#!/bin/bash
# without_slurm.sh COMMAND... - run it on this machine as if Slurm were not installed: in a mount
# namespace of its own, with a layer over /usr from which what the Slurm packages brought is
# removed. Nothing outside is changed. Exit status: the command's; 77 where that cannot be done.
set -u
if [ "${1:-}" = --inside ]; then
    shift
    layer=$1
    shift
    mount -t tmpfs tmpfs "$layer" && mkdir "$layer/upper" "$layer/work" &&
        mount -t overlay -o "lowerdir=/usr,upperdir=$layer/upper,workdir=$layer/work" overlay /usr ||
        exit 77
    cd /usr && rm -rf include/slurm* lib/*/libslurm* lib/*/slurm* sbin/slurm* sbin/munged &&
        rm -f bin/{sacct,sacctmgr,salloc,sbatch,sbcast,scancel,scontrol,sinfo,squeue,srun,sstat}
    rm -f /usr/bin/munge
    cd "$OLDPWD" && exec "$@"
fi
[ $# -gt 0 ] || { sed -n '2,4s/^# //p' "$0"; exit 2; }
[ "$(id -u)" = 0 ] || { echo "skipped: only root can hide Slurm"; exit 77; }
layer=$(mktemp -d)
unshare --mount --propagation private bash "$0" --inside "$layer" "$@"
status=$?
rmdir "$layer"
[ $status = 77 ] && echo "skipped: this machine allows no overlay over /usr"
exit $status
