#!/usr/bin/env bash
# Trains, or goes on from the last save: the same command both times. Ctrl+C or TERM saves and stops.
# Variables: RUN (the run folder), PYTHON, DATA (the folder that holds the data folders), GPUS, NODES, HEAD (host:port).
# More options may follow, e.g.: bash run.sh --set train_siamese.accumulate=2
set -euo pipefail
cd "$(dirname "$0")"
if [ -z "${PYTHON:-}" ]; then PYTHON=python3; if [ -x venv/bin/python ]; then PYTHON=venv/bin/python; fi; fi
DATA="${DATA:-@DATA@}"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
@CHECK@
words=(train recipe.toml --run "${RUN:-run}" @OPTIONS@ "$@")
if [ "${NODES:-1}" -gt 1 ]; then
  exec "$PYTHON" -m torch.distributed.run --nnodes "$NODES" --nproc_per_node "${GPUS:-1}" --rdzv_backend c10d \
    --rdzv_endpoint "$HEAD" --rdzv_id "${SLURM_JOB_ID:-siamese}" -m -- siamese "${words[@]}"
elif [ "${GPUS:-1}" -gt 1 ]; then
  exec "$PYTHON" -m torch.distributed.run --standalone --nproc_per_node "$GPUS" -m -- siamese "${words[@]}"
fi
exec "$PYTHON" -m siamese "${words[@]}"
