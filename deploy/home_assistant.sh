#!/usr/bin/env bash
# Makes a real Home Assistant to test against, in a folder of its own; nothing of it is installed
# anywhere else. May be interrupted anywhere and run again; returns at once when it is there.
#   HOME_ASSISTANT=2026.2.3   needs Python 3.13 (PYTHON=/path/to/python, or it is looked for)
#   HOME_ASSISTANT=2024.3.3   needs Python 3.11
#   HOME_ASSISTANT=2026.11.0  needs root: its Python 3.14 comes in a folder with Debian testing
# Without HOME_ASSISTANT it is the first of these for which there is a Python. The last line is the folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source deploy/apt.sh

say() { printf 'home assistant: %s\n' "$*" >&2; }
die() { printf 'home assistant: %s\n' "$*" >&2; exit 1; }

# ---- which one --------------------------------------------------------------------------------

find_python() { # VERSION → a Python of that version
    local candidate
    for candidate in "${PYTHON:-python$1}" "$HOME/.pyenv/versions/$1".*/bin/python .venv/bin/python; do
        if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" \
            >/dev/null 2>&1; then
            # not a virtual environment's: that may go away
            "$candidate" -c 'import os, sys; print(os.path.realpath(sys.executable))'
            return
        fi
    done
    return 1
}

version=${HOME_ASSISTANT:-}
if [[ -z $version ]]; then
    version=2024.3.3
    if find_python 3.13 >/dev/null; then version=2026.2.3; fi
fi
case $version in
2024.*) needs=3.11 ;;
2025.* | 2026.[12].*) needs=3.13 ;;
*) needs=debian ;;
esac
folder=${XDG_CACHE_HOME:-$HOME/.cache}/parlour/home-assistant-$version
log=$folder/setup.log
parts=(deploy/home_assistant.sh deploy/home_assistant/*.py)
fingerprint() { { cat "${parts[@]}"; echo "$folder"; } | sha256sum; }
is_there() { [[ -x $folder/start && "$(fingerprint)" == "$(cat "$folder/ready" 2>/dev/null)" ]]; }
finish() { echo "$folder"; exit 0; }
if is_there; then finish; fi
mkdir -p "$folder"
if command -v flock >/dev/null; then
    exec 9>"$folder/lock"
    flock -n 9 || { say "another set-up of it is running; waiting"; flock 9; }
    if is_there; then finish; fi
fi

# ---- Debian packages --------------------------------------------------------------------------

missing=()
need() { # COMMAND-OR-FILE PACKAGE
    if [[ $1 == /* ]]; then [[ -e $1 ]] && return; else command -v "$1" >/dev/null && return; fi
    missing+=("$2")
}
install_missing() {
    ((${#missing[@]} > 0)) || return 0
    can_install || die "missing packages; run: sudo apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    install_packages "${missing[@]}" || die "apt-get install ${missing[*]} failed (see above)"
}

# Runs a long command with its output in the log; shows that it is alive.
step() {
    local label=$1 began=$SECONDS child code=0
    shift
    say "$label"
    "$@" >"$log" 2>&1 9>&- &
    child=$!
    trap 'kill "$child" 2>/dev/null; exit 130' INT TERM
    while kill -0 "$child" 2>/dev/null; do
        sleep 0.5
        if (((SECONDS - began) % 30 == 29)); then
            say "$label, $((SECONDS - began)) s"
            sleep 1
        fi
    done
    trap - INT TERM
    wait "$child" || code=$?
    if ((code != 0)); then
        tail -n 20 "$log" >&2
        die "$label: failed; the whole log: $log"
    fi
}

# ---- its Python -------------------------------------------------------------------------------

rm -f "$folder/ready"
options=()
if [[ $needs == debian ]]; then
    [[ $EUID -eq 0 ]] || die "$version needs root, for debootstrap and chroot"
    need debootstrap debootstrap
    install_missing
    root=$folder/root
    # the mirror that apt uses here; there may be none of these files
    mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        sed -n 's/^URIs: *\([^ ]*debian\)\/* *$/\1/p; s/^deb \(\[[^]]*\] \)\?\([^ ]*debian\)\/* .*/\2/p' | head -n 1) || true
    if [[ ! -e $folder/debian ]]; then
        rm -rf "$root"
        # by the script of sid: an older debootstrap has none of a newer release's name
        step "making a folder with Debian testing, about 3 minutes" debootstrap --variant=minbase \
            --include=python3-venv,python3-dev,g++,ca-certificates,ffmpeg,libturbojpeg0 \
            testing "$root" "${mirror:-http://deb.debian.org/debian}" sid
        touch "$folder/debian"
    fi
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" 2>/dev/null || true
    # The folder has one name, inside and outside.
    mkdir -p "$root/$(dirname "$folder")" "$root/homes"
    ln -sfn / "$root/$folder"
    ln -sfn root/homes "$folder/homes"
    ln -sfn root/venv "$folder/venv"
    inside=(env -u PIP_FIND_LINKS LANG=C.UTF-8 chroot "$root")
    python=/usr/bin/python3
else
    python=$(find_python "$needs") || die "$version needs Python $needs: install it, or set PYTHON=..."
    need ffmpeg ffmpeg
    need c++ g++
    headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    need "$headers/Python.h" "python$needs-dev"
    "$python" -c 'import ensurepip' 2>/dev/null || missing+=("python$needs-venv")
    install_missing
    mkdir -p "$folder/homes"
    inside=(env)
    # 2025.5 to 2026.2 ask for 3.13.2 and run with 3.13.0, too; launch.py lowers their own check
    if [[ $needs == 3.13 ]]; then options+=(--python-version 3.13.2); fi
fi

# ---- Home Assistant ---------------------------------------------------------------------------

venv=$folder/venv
export UV_NATIVE_TLS=1 # the system's certificates, as pip
uv=("${inside[@]}" "$venv/bin/uv" pip install --python "$venv/bin/python" "${options[@]}")
make_venv() {
    "${inside[@]}" "$python" -m venv --clear "$venv" &&
        "${inside[@]}" "$venv/bin/pip" --disable-pip-version-check install uv
}
if ! "${inside[@]}" "$venv/bin/uv" --version >/dev/null 2>&1; then
    step "making its virtual environment" make_venv
fi
pins=()
if [[ $version == 2024.* ]]; then pins+=("setuptools<80" "josepy<2"); fi # what it did not pin
step "installing Home Assistant $version" "${uv[@]}" "homeassistant==$version" "${pins[@]}"
cp deploy/home_assistant/{launch,requirements}.py "$(readlink -f "$folder/homes")/"
"${inside[@]}" "$venv/bin/python" "$folder/homes/requirements.py" >"$folder/requirements.txt" ||
    die "could not read what its integrations need (see above)"
constraints=$(find "$(readlink -f "$venv")/lib" -path '*/homeassistant/package_constraints.txt')
cp "$folder/requirements.txt" "$constraints" "$(readlink -f "$folder/homes")/"
step "installing what its integrations need (some is compiled)" "${uv[@]}" \
    --constraint "$folder/homes/package_constraints.txt" --requirement "$folder/homes/requirements.txt" "${pins[@]}"
{
    printf '#!/bin/sh\n# start FOLDER: Home Assistant with the configuration in FOLDER, inside %s\n' "$folder/homes"
    printf 'unset PYTHONPATH PYTHONHOME\nexport HOME="$1" LANG=C.UTF-8\n'
    printf 'exec'
    printf ' %q' "${inside[@]}" "$venv/bin/python" "$folder/homes/launch.py"
    printf ' --skip-pip --config "$1"\n'
} >"$folder/start"
chmod +x "$folder/start"
step "starting it once" python3 deploy/home_assistant/try.py "$folder"
fingerprint >"$folder/ready"
say "ready after $SECONDS s"
finish
