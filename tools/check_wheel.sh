#!/bin/sh
# usage: tools/check_wheel.sh PYTHON WHEEL
# Installs a wheel with nothing but its own dependencies into a virtual environment outside the checkout, imports every
# module there, and runs the command.
set -eu

python=$1
wheel=$2

outside=$(mktemp -d)
trap 'rm -rf "$outside"' EXIT
PYTHON=$python tools/venv.sh "$outside/venv" "$wheel"
cp tools/import_all.py "$outside"
cd "$outside"
venv/bin/python -W error import_all.py cornerstream
venv/bin/cornerstream codecs >/dev/null
