#!/bin/sh
# usage: tools/check_wheel.sh PYTHON FOLDER
# Builds the wheel into FOLDER/wheel, unpacks it into FOLDER/check, installs it with nothing but its own dependencies
# into a virtual environment outside the checkout, and imports every module there.
set -eu

python=$1
folder=$2

# setuptools collects in build/lib and never removes from it what has left the sources.
rm -rf build/lib build/bdist.* "$folder/wheel" "$folder/check"
"$python" -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir "$folder/wheel" .
"$python" -m pip --disable-pip-version-check install --quiet --no-deps --target "$folder/check" "$folder"/wheel/*.whl

outside=$(mktemp -d)
trap 'rm -rf "$outside"' EXIT
PYTHON=$python tools/venv.sh "$outside/venv" "$folder"/wheel/*.whl
cp tools/import_all.py "$outside"
cd "$outside"
venv/bin/python -W error import_all.py cornerstream
venv/bin/cornerstream codecs >/dev/null
