#!/bin/sh
# usage: tools/unpack_wheel.sh PYTHON FOLDER
# Builds the wheel into FOLDER/wheel and unpacks it into FOLDER/check.
set -eu

python=$1
folder=$2

# setuptools collects in build/lib and never removes from it what has left the sources.
rm -rf build/lib build/bdist.* "$folder/wheel" "$folder/check"
"$python" -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir "$folder/wheel" .
"$python" -m pip --disable-pip-version-check install --quiet --no-deps --target "$folder/check" "$folder"/wheel/*.whl
