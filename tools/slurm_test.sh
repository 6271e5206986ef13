#!/usr/bin/env bash
# Evaluate on a Slurm cluster; the variables are those of slurm_train.sh.
#   bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments]
set -euo pipefail

if [ $# -lt 4 ]; then
    echo "usage: slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT" \
        "[arguments of tools/test.py]" >&2
    exit 2
fi
ACT_SLURM_TOOL=test.py exec bash "$(dirname "${BASH_SOURCE[0]}")/slurm_train.sh" "$@"
