#!/bin/sh
# Installs Siamese Studio from the folder `wheels` beside this file. Needs Python 3.11 or newer and no Internet.
set -eu
cd "$(dirname "$0")"
python="${PYTHON:-python3}"
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Python 3.11 or newer is needed. If it has another name: PYTHON=python3.12 ./install.sh" >&2
    exit 1
fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
if ! .venv/bin/python -m pip install --no-index --find-links wheels -r requirements.txt; then
    echo "The packages in the folder wheels do not fit this computer; START-HERE.txt says what they were made for." >&2
    exit 1
fi
echo "Installed. Start with: $(pwd)/.venv/bin/python app.py"
