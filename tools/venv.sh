#!/bin/sh
# usage: tools/venv.sh FOLDER PIP-ARGUMENT...
# Makes a virtual environment, unless FOLDER holds one, and installs into it. PYTHON=... chooses the Python.
set -eu

folder=$1
shift

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if is_new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    if [ -n "${PYTHON:-}" ]; then
        fail "PYTHON=$PYTHON is no Python 3.11 or newer"
    fi
    fail "no Python 3.11 or newer found; install one (apt-get install python3) or name one: make PYTHON=/path/to/python3"
}

# Debian and Ubuntu leave ensurepip out of python3 and put it into python3.X-venv.
has_ensurepip() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }

install_venv_package() {
    say "$python has no ensurepip: installing $package"
    apt-get update -qq >/dev/null 2>&1 || say "apt-get update failed; going on with the package lists that are there"
    output=$(DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package" 2>&1) ||
        fail "apt-get could not install $package: $output"
}

# Without root: the pip of Debian's package, unpacked and not installed.
make_with_borrowed_pip() {
    say "$python has no ensurepip: taking pip out of the package python3-pip-whl"
    unpacked=$(mktemp -d)
    if (cd "$unpacked" && apt-get download -qq python3-pip-whl && dpkg-deb --extract ./*.deb .) >/dev/null 2>&1; then
        wheel=$(echo "$unpacked"/usr/share/python-wheels/pip-*.whl)
        "$python" -m venv --clear --without-pip "$folder"
        PYTHONPATH=$wheel "$folder/bin/python" -m pip install --quiet --no-index "$wheel"
    fi
    rm -rf "$unpacked"
    [ -x "$folder/bin/pip" ] ||
        fail "$python cannot make virtual environments; install $package (apt-get install $package), uv or virtualenv"
}

make_environment() {
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if ! has_ensurepip && [ "$(id -u)" = 0 ] && ! command -v uv >/dev/null &&
        ! command -v virtualenv >/dev/null && command -v apt-get >/dev/null; then
        install_venv_package
    fi
    if has_ensurepip; then
        "$python" -m venv --clear "$folder"
    elif command -v uv >/dev/null; then
        uv venv --quiet --clear --seed --python "$python" "$folder"
    elif command -v virtualenv >/dev/null; then
        virtualenv --quiet --clear --python "$python" "$folder"
    else
        make_with_borrowed_pip
    fi
}

if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1 || ! is_new_enough "$folder/bin/python"; then
    python=$(find_python)
    say "$folder: making a virtual environment with $("$python" --version) ($python)"
    make_environment
    # The pip that comes with an older Python builds some packages by ways that are going away.
    "$folder/bin/python" -m pip --disable-pip-version-check install --quiet --upgrade pip || say "going on with an old pip"
fi
say "$folder: installing $* and what it needs (the first time takes a minute or two)"
"$folder/bin/python" -m pip --disable-pip-version-check install -qq --progress-bar off "$@" ||
    fail "pip could not install $*; its message is above"
