#!/usr/bin/env bash
# Puts what is worth taking home into run.zip: drop it on the Train page, or `python -m siamese jobs bring-back run.zip`.
set -euo pipefail
cd "$(dirname "$0")"
if [ -z "${PYTHON:-}" ]; then PYTHON=python3; if [ -x venv/bin/python ]; then PYTHON=venv/bin/python; fi; fi
PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" exec "$PYTHON" -m siamese jobs wrap "${RUN:-run}" --out run.zip
