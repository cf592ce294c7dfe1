#!/usr/bin/env bash
# Makes the environment that Piper runs in, beside the hub's: piper-tts is GPL-3, and no part of the
# hub's own process. May be interrupted anywhere and run again; returns at once when there is
# nothing to do.
#   deploy/piper.sh [FOLDER]   .venv-piper by default. Of a hub that is installed elsewhere it is the
#                              hub's own with "-piper" behind its name: /opt/parlour-piper
#   PYTHON=/path/to/python     the Python (>= 3.11) to make it with; by default the hub's
#   PARLOUR=.                  the folder, or wheel, of Parlour to install a copy of; by default this
#                              checkout, editable
set -euo pipefail
PARLOUR=${PARLOUR:+$(realpath "$PARLOUR")}
folder=${1:+$(realpath -m "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=${folder:-$PWD/.venv-piper}
name=piper
source deploy/environment.sh
pins=deploy/constraints-piper.txt

fingerprint() { { fingerprint_beside_hub; cat "$pins" deploy/constraints.txt; } | sha256sum; }

if is_set_up; then exit 0; fi
one_at_a_time
if is_set_up; then exit 0; fi
python=$(python_beside_hub)
say "making $venv (60 MB to download, 220 MB on disk)"
"$python" -m venv --clear "$venv" || die "could not make $venv (see above)"
step "installing Parlour and piper-tts" \
    "${pip[@]}" install -c "$pins" -c deploy/constraints.txt "${parlour[@]}" piper-tts onnxruntime
"$venv/bin/python" -c 'import piper, hub.engines.piper' || die "it is installed, but does not load (see above)"
finish
say "ready: $venv"
