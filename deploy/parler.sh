#!/usr/bin/env bash
# Makes the environment that Parler-TTS runs in, beside the hub's: torch never comes near the hub.
# May be interrupted anywhere and run again; returns at once when there is nothing to do.
#   deploy/parler.sh [--test] [FOLDER]
#     FOLDER   the environment, .venv-parler by default. Of a hub that is installed elsewhere it is
#              the hub's own with "-parler" behind its name: /opt/parlour -> /opt/parlour-parler
#     --test   with what `make test-parler` needs, too
#   PYTHON=/path/to/python   the Python (>= 3.11) to make it with; by default the hub's
#   PARLOUR=.                the folder, or wheel, of Parlour to install a copy of; by default this
#                            checkout, editable
#   PARLER_TORCH=cpu|cuda    which torch; by default cuda where there is an NVIDIA driver
set -euo pipefail
PARLOUR=${PARLOUR:+$(realpath "$PARLOUR")}
test= venv=
for argument in "$@"; do
    case $argument in
    --test) test=yes ;;
    -*) printf 'parler: no option %s; see the top of %s\n' "$argument" "$0" >&2; exit 2 ;;
    *) venv=$(realpath -m "$argument") ;;
    esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=${venv:-$PWD/.venv-parler}
name=parler
source deploy/environment.sh
pins=deploy/constraints-parler.txt

# ---- nothing to do? ---------------------------------------------------------------------------

has_driver() { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }

build=${PARLER_TORCH:-$(if has_driver; then echo cuda; else echo cpu; fi)}
[[ $build == cpu || $build == cuda ]] || die "PARLER_TORCH=$build: say cpu or cuda"

fingerprint() { { fingerprint_beside_hub; cat "$pins"; echo "$build"; } | sha256sum; }
has_tests() { "$venv/bin/python" -c 'import pytest, pytest_asyncio' >/dev/null 2>&1; }

if is_set_up && { [[ -z $test ]] || has_tests; }; then
    exit 0
fi

one_at_a_time
add_tests() { step "installing what its tests need" "${pip[@]}" install -c "$pins" pytest pytest-asyncio; }

if is_set_up; then
    if [[ -n $test ]] && ! has_tests; then add_tests; fi
    exit 0
fi

# ---- what it takes ----------------------------------------------------------------------------

python=$(python_beside_hub)
version=$(sed -n 's/^torch==//p' "$pins")
if [[ $build == cuda ]]; then
    # three signs: exactly this release as it stands on the index, no local build for processors
    torch="torch===$version" download=3000 disk=6000
else
    torch="torch==$version" download=240 disk=1200
fi

# Whether the package index has a torch for processors alone depends on where one is: ask which one
# it would be, before it comes.
is_for_processors() {
    "$python" -m pip --disable-pip-version-check install --quiet --dry-run --ignore-installed --no-deps \
        --report - "$torch" 2>/dev/null | grep -q '"url": ".*\(%2B\|+\)cpu'
}
if [[ $build == cpu && $(uname -m) == x86_64 ]] && ! works && ! is_for_processors; then
    download=3000 disk=6000
    say "the package index has torch with CUDA alone; it works without a GPU, too, but is large"
fi
mkdir -p "$venv"
free=$(($(stat -f -c '%a * %S' "$venv") / 1000000))
if works; then
    say "bringing $venv up to date"
else
    say "$venv: about $download MB to download, $disk MB on disk (free: $free MB)"
    ((free > disk)) || die "not enough space: $disk MB needed in $venv, $free MB free"
fi

# ---- the environment --------------------------------------------------------------------------

rm -f "$stamp"
if ! works; then
    "$python" -m venv --clear "$venv" >&2 || die "could not make $venv (see above)"
fi
touch "$unfinished"
step "upgrading pip" "${pip[@]}" install --upgrade pip
# first, so that nothing that follows chooses another build of it
step "installing torch ($build)" "${pip[@]}" install -c "$pins" "$torch"
step "installing Parlour and transformers" \
    "${pip[@]}" install -c "$pins" "${parlour[@]}" transformers safetensors huggingface-hub
# Its own needs (descript's codec, and torchaudio, which has no build for this torch) are left out:
# hub/engines/parler/libraries.py does without them.
step "installing parler-tts" "${pip[@]}" install -c "$pins" --no-deps parler-tts
[[ -z $test ]] || add_tests
"$venv/bin/python" -c 'from hub.engines.parler.libraries import import_parler; import_parler()' >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; die "it is installed, but does not load (see above)"; }
if [[ $build == cuda ]] && ! "$venv/bin/python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>"$log"; then
    say "torch $version finds no GPU that it can use ($(tail -n 1 "$log" | cut -c1-200)); see docs/parler.md"
fi

# ---- done -------------------------------------------------------------------------------------

finish
say "ready: $venv"
