#!/bin/sh
#SBATCH --job-name=irn
#SBATCH --array=1-8
#SBATCH --cpus-per-task=4
#SBATCH --time=04:00:00
#
# Restore a tree of small pictures on a Slurm cluster, one shard for each task of the array:
#
#   sbatch examples/slurm-array.sh SMALL RESTORED [options of `irn upscale`]
#
# Submit a task that was interrupted again as it is: it skips what is finished.
set -eu

if [ $# -lt 2 ]; then
    echo "usage: sbatch $0 SMALL RESTORED [options of irn upscale]" >&2
    exit 2
fi
small=$1
restored=$2
shift 2

# The tasks may be numbered in any way: --array=0-7, 1-8, 10-80:10 ...
step=${SLURM_ARRAY_TASK_STEP:-1}
first=${SLURM_ARRAY_TASK_MIN:?run it by sbatch}
part=$(((SLURM_ARRAY_TASK_ID - first) / step + 1))
parts=$(((SLURM_ARRAY_TASK_MAX - first) / step + 1))

exec irn upscale -r "$small" -o "$restored/" --shard "$part/$parts" --on-existing resume \
    --threads "${SLURM_CPUS_PER_TASK:-1}" "$@"
