#!/bin/sh
# usage: tools/mypy.sh MYPY FOLDER
# Checks the package as it lies in FOLDER, then tests, benchmarks and tools against it; messages name the sources.
set -eu

mypy=$1
folder=$2

to_sources() {
    sed -E "s#^$folder/cornerstream/(images|operators|loaders)/#\1/#; s#^$folder/cornerstream/#pipeline/#"
}

run() {
    if ! output=$(MYPYPATH="$folder:." "$mypy" --no-color-output "$@" 2>&1); then
        printf '%s\n' "$output" | to_sources
        exit 1
    fi
    printf '%s\n' "$output"
}

run -p cornerstream
folder=$folder:examples/cornerstream-example/src run -p cornerstream_example
run --explicit-package-bases tests benchmarks tools
