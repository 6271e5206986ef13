#!/usr/bin/env bash
# Train on a Slurm cluster.
#   bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments]
# GPUS, GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS as in MMDetection; PYTHON is
# the interpreter. GPUS_PER_NODE=0 asks for no GPU and runs TASKS_PER_NODE
# processes on each node's CPU.
set -euo pipefail

if [ $# -lt 4 ]; then
    echo "usage: slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR" \
        "[arguments of tools/train.py]" >&2
    exit 2
fi
PARTITION=$1
JOB_NAME=$2
CONFIG=$3
TOOL=${ACT_SLURM_TOOL:-train.py}
PLACE="--work-dir=$4"
if [ "$TOOL" = test.py ]; then
    PLACE=$4 # the checkpoint
fi
PYTHON=${PYTHON:-python}
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-8}
TASKS_PER_NODE=${TASKS_PER_NODE:-$GPUS_PER_NODE}
CPUS_PER_TASK=${CPUS_PER_TASK:-5}
# Split at spaces on purpose: it may hold several arguments of srun.
read -r -a EXTRA <<<"${SRUN_ARGS:-}"
if [ "$GPUS_PER_NODE" -gt 0 ]; then
    EXTRA+=("--gres=gpu:$GPUS_PER_NODE")
fi

exec srun -p "$PARTITION" \
    --job-name="$JOB_NAME" \
    --ntasks="$GPUS" \
    --ntasks-per-node="$TASKS_PER_NODE" \
    --cpus-per-task="$CPUS_PER_TASK" \
    --kill-on-bad-exit=1 \
    "${EXTRA[@]}" \
    "$PYTHON" -u "$(dirname "${BASH_SOURCE[0]}")/$TOOL" "$CONFIG" \
    "$PLACE" --launcher=slurm "${@:5}"
