#!/usr/bin/env bash
# Makes the environment that Piper runs in, beside the hub's: piper-tts is GPL-3, and no part of the
# hub's own process. May be interrupted anywhere and run again; returns at once when there is
# nothing to do.
#   deploy/piper.sh [FOLDER]   .venv-piper by default. Of a hub that is installed elsewhere it is the
#                              hub's own with "-piper" behind its name: /opt/parlour-piper
#   PYTHON=/path/to/python     the Python (>= 3.11) to make it with; by default the hub's
#   PARLOUR=parlour.whl        what to install Parlour from; by default this checkout, editable
set -euo pipefail
PARLOUR=${PARLOUR:+$(realpath "$PARLOUR")}
folder=${1:+$(realpath -m "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=${folder:-$PWD/.venv-piper}
stamp=$venv/.parlour-setup
log=$venv/setup.log
pins=deploy/constraints-piper.txt

say() { printf 'piper: %s\n' "$*"; }
die() { printf 'piper: %s\n' "$*" >&2; exit 1; }

# All that decides what is in it. The path: an editable install points here.
fingerprint() {
    {
        sed -n '/^dependencies/,/^]/p; /^\[project.scripts\]/,/^$/p' pyproject.toml
        cat "$pins" deploy/constraints.txt deploy/piper.sh
        "$venv/bin/python" -VV
        pwd
        [[ -z $PARLOUR ]] || sha256sum "$PARLOUR"
    } | sha256sum
}
is_set_up() { [[ -f $stamp && "$(fingerprint 2>/dev/null)" == "$(<"$stamp")" ]]; }
is_recent() { "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if is_set_up; then exit 0; fi
if command -v flock >/dev/null; then
    exec 9<deploy/piper.sh
    flock -n 9 || { say "another set-up is running here; waiting for it"; flock 9; }
    if is_set_up; then exit 0; fi
fi

python=
for candidate in ${PYTHON:-"${venv%-piper}/bin/python" .venv/bin/python python3 python3.13 python3.12 python3.11}; do
    if is_recent "$candidate"; then
        python=$(command -v "$candidate")
        break
    fi
done
[[ -n $python ]] || die "no Python >= 3.11 with its venv module found; run make setup first, or set PYTHON=..."

say "making $venv (60 MB to download, 220 MB on disk)"
"$python" -m venv --clear "$venv" || die "could not make $venv (see above)"
if [[ -n $PARLOUR ]]; then parlour=("$PARLOUR"); else parlour=(-e .); fi
"$venv/bin/python" -m pip --disable-pip-version-check install -c "$pins" -c deploy/constraints.txt \
    "${parlour[@]}" piper-tts onnxruntime >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; die "installing failed; the whole log: $log. Run it again"; }
"$venv/bin/python" -c 'import piper, hub.engines.piper' || die "it is installed, but does not load (see above)"
fingerprint >"$stamp.new"
mv "$stamp.new" "$stamp"
say "ready: $venv"
