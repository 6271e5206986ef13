#!/usr/bin/env bash
# Train in several processes: NCCL on GPUs, gloo on CPU.
#   bash tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
# Several machines: NNODES, NODE_RANK, MASTER_ADDR and PORT as in MMDetection.
# PORT is a free one where it is not set; PYTHON is the interpreter.
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: dist_train.sh CONFIG GPUS [arguments of tools/train.py]" >&2
    exit 2
fi
CONFIG=$1
GPUS=$2
PYTHON=${PYTHON:-python}
NNODES=${NNODES:-1}
NODE_RANK=${NODE_RANK:-0}
MASTER_ADDR=${MASTER_ADDR:-127.0.0.1}
if [ -z "${PORT:-}" ]; then
    if [ "$NNODES" -gt 1 ]; then
        PORT=29500 # all machines have to agree
    else
        PORT=$("$PYTHON" -c "import socket
with socket.socket() as s:
    s.bind(('127.0.0.1', 0))
    print(s.getsockname()[1])")
    fi
fi

TRAIN=$(dirname "${BASH_SOURCE[0]}")/train.py
# What is missing is said once and plainly, not by every process.
"$PYTHON" "$TRAIN" "$CONFIG" --check "${@:3}"

exec "$PYTHON" -m torch.distributed.run \
    --nnodes="$NNODES" \
    --node_rank="$NODE_RANK" \
    --master_addr="$MASTER_ADDR" \
    --master_port="$PORT" \
    --nproc_per_node="$GPUS" \
    "$TRAIN" "$CONFIG" --launcher pytorch "${@:3}"
