#!/usr/bin/env bash
# Makes .venv with everything that Parlour needs, and nothing outside it but, on Debian-like
# systems and only if they are missing, a Python, its venv module and a C++ compiler (apt-get).
# May be interrupted anywhere and run again; returns at once when there is nothing to do.
#   PYTHON=/path/to/python   the Python (>= 3.11) to make .venv with
#   deploy/setup.sh mic      real sound devices, too: pyaudio, compiled with PortAudio's headers
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source deploy/apt.sh

name=setup
venv=.venv
source deploy/environment.sh
extras=hub,satellite,dev
# Of a GPU (deploy/gpu.sh writes it): what it can compute, and the CUDA compiler, a line each.
cuda=$venv/.parlour-cuda
wanted=${1:-}

# ---- nothing to do? ---------------------------------------------------------------------------

# All that decides what is in .venv. The path: an editable install points here.
# The processor: the compiled wheel depends on it.
fingerprint() {
    {
        cat pyproject.toml deploy/constraints.txt deploy/{setup,environment,apt}.sh deploy/llama_wheel.py
        cat "$cuda" 2>/dev/null || true
        "$venv/bin/python" -VV
        pwd
        uname -m
        grep -m1 '^flags' /proc/cpuinfo | grep -ow 'avx[a-z0-9_]*' || true
    } | sha256sum
}
has_mic() { "$venv/bin/python" -c 'import pyaudio' >/dev/null 2>&1; }

if is_set_up && { [[ $wanted != mic ]] || has_mic; }; then
    exit 0
fi

one_at_a_time

# ---- a Python and a compiler ------------------------------------------------------------------

# Installs Debian packages, or says which command would.
apt_install() {
    if ! command -v apt-get >/dev/null; then
        die "missing: $*. Install it with your system's package manager, then run this again"
    fi
    can_install || die "missing packages; run: sudo apt-get install $*"
    say "installing $*"
    install_packages "$@" || die "apt-get install $* failed (see above)"
}

hub_python() { find_python is_recent ${PYTHON:-python3 python3.13 python3.12 python3.11}; }

install_python() {
    local version
    [[ -z ${PYTHON:-} ]] || die "PYTHON=$PYTHON is not a Python >= 3.11"
    for version in 3.13 3.12 3.11; do
        if apt-cache show "python$version-venv" >/dev/null 2>&1; then
            apt_install "python$version" "python$version-venv"
            return
        fi
    done
    # no package lists yet (a bare container), or only under the plain name
    apt_install python3 python3-venv
}

if ! works; then
    python=$(hub_python) || {
        install_python
        python=$(hub_python) || die "no Python >= 3.11 found; install one, or set PYTHON=..."
    }
    if ! can_make_venvs "$python"; then
        apt_install "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    fi
fi
compiler=${CXX:-}
for candidate in c++ g++ clang++; do
    [[ -n $compiler ]] || compiler=$(command -v "$candidate" || true)
done
[[ -n $compiler ]] || apt_install g++

# ---- the virtual environment ------------------------------------------------------------------

# Sound devices come after everything else, and only when asked for: they need headers to compile.
set_up_mic() {
    local headers=() python="$venv/bin/python"
    if ! echo '#include <portaudio.h>' | "${compiler:-c++}" -E -x c - >/dev/null 2>&1; then
        headers+=(portaudio19-dev)
    fi
    if ! "$python" -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' \
        2>/dev/null; then
        headers+=("$("$python" -c 'import sys; print("python%d.%d-dev" % sys.version_info[:2])')")
    fi
    ((${#headers[@]} == 0)) || apt_install "${headers[@]}"
    step "installing pyaudio" "${pip[@]}" install -c deploy/constraints.txt -e ".[mic]"
}

if is_set_up; then
    set_up_mic
    exit 0
fi

rm -f "$stamp"
gpu=$(cat "$cuda" 2>/dev/null || true)
if ! works; then
    say "making $venv with $python"
    "$python" -m venv --clear "$venv" || die "could not make $venv (see above)"
fi
touch "$unfinished"
step "upgrading pip" "${pip[@]}" install --upgrade pip
# first, so that the next step finds it and does not compile it by other rules
wheel=("$venv/bin/python" deploy/llama_wheel.py)
if [[ -n $gpu ]]; then
    printf '%s\n' "$gpu" >"$cuda"
    { read -r capability; read -r CUDACXX; } <"$cuda"
    export CUDACXX
    wheel+=(--cuda "$capability")
    extras+=,cuda
    # before llama.cpp, which is tried with what it brings
    step "installing CUDA's libraries" "${pip[@]}" install -c deploy/constraints.txt -e ".[cuda]"
fi
"${wheel[@]}" || {
    [[ $? == 3 ]] || die "llama-cpp-python could not be installed (see above)"
    rm -f "$cuda"
    say "the language model stays on the processor; when that is mended (see above), make install-gpu"
}
step "installing Parlour and what it needs" \
    "${pip[@]}" install -c deploy/constraints.txt -e ".[$extras]"

# ---- done -------------------------------------------------------------------------------------

finish
if [[ $wanted == mic ]] && ! has_mic; then
    set_up_mic
fi
say "ready: $venv"
