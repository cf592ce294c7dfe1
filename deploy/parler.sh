#!/usr/bin/env bash
# Makes the environment that Parler-TTS runs in, beside the hub's: torch never comes near the hub.
# May be interrupted anywhere and run again; returns at once when there is nothing to do.
#   deploy/parler.sh [--test] [FOLDER]
#     FOLDER   the environment, .venv-parler by default. Of a hub that is installed elsewhere it is
#              the hub's own with "-parler" behind its name: /opt/parlour -> /opt/parlour-parler
#     --test   with what `make test-parler` needs, too
#   PYTHON=/path/to/python   the Python (>= 3.11) to make it with; by default the hub's
#   PARLOUR=parlour.whl      what to install Parlour from; by default this checkout, editable
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
stamp=$venv/.parlour-setup
unfinished=$venv/.parlour-setup-unfinished
log=$venv/setup.log
pins=deploy/constraints-parler.txt

say() { printf 'parler: %s\n' "$*"; }
die() { printf 'parler: %s\n' "$*" >&2; exit 1; }

# ---- nothing to do? ---------------------------------------------------------------------------

has_driver() { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }

build=${PARLER_TORCH:-$(if has_driver; then echo cuda; else echo cpu; fi)}
[[ $build == cpu || $build == cuda ]] || die "PARLER_TORCH=$build: say cpu or cuda"

# All that decides what is in it. The path: an editable install points here.
fingerprint() {
    {
        sed -n '/^dependencies/,/^]/p; /^\[project.scripts\]/,/^$/p' pyproject.toml
        cat "$pins" deploy/parler.sh
        "$venv/bin/python" -VV
        printf '%s\n' "$PWD" "$build"
        [[ -z $PARLOUR ]] || sha256sum "$PARLOUR"
    } | sha256sum
}
is_set_up() {
    [[ -f $stamp && -x $venv/bin/python && "$(fingerprint 2>/dev/null)" == "$(<"$stamp")" ]]
}
has_tests() { "$venv/bin/python" -c 'import pytest, pytest_asyncio' >/dev/null 2>&1; }

if is_set_up && { [[ -z $test ]] || has_tests; }; then
    exit 0
fi

# ---- one at a time ----------------------------------------------------------------------------

if command -v flock >/dev/null; then
    exec 9<deploy/parler.sh
    flock -n 9 || { say "another set-up is running here; waiting for it"; flock 9; }
fi

# Runs a long command with its output in the log; shows that it is alive.
step() {
    local label=$1 began=$SECONDS child
    shift
    "$@" >"$log" 2>&1 &
    child=$!
    trap 'kill "$child" 2>/dev/null; exit 130' INT TERM
    while kill -0 "$child" 2>/dev/null; do
        sleep 0.5
        if [[ -t 1 ]]; then
            printf '\r\033[Kparler: %s, %d s' "$label" $((SECONDS - began))
        elif (((SECONDS - began) % 30 == 29)); then
            say "$label, $((SECONDS - began)) s"
            sleep 1
        fi
    done
    trap - INT TERM
    if [[ -t 1 ]]; then printf '\r\033[K'; fi
    if ! wait "$child"; then
        tail -n 20 "$log" >&2
        die "$label: failed; the whole log: $log. Run it again to go on"
    fi
    say "$label: done in $((SECONDS - began)) s"
}

pip=("$venv/bin/python" -m pip --disable-pip-version-check)
add_tests() { step "installing what its tests need" "${pip[@]}" install -c "$pins" pytest pytest-asyncio; }

if is_set_up; then
    if [[ -n $test ]] && ! has_tests; then add_tests; fi
    exit 0
fi

# ---- a Python ---------------------------------------------------------------------------------

is_recent() { "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-"${venv%-parler}/bin/python" .venv/bin/python python3 python3.13 python3.12 python3.11}; do
        if is_recent "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# pip does not install atomically: what an interrupted set-up left may look whole and not be.
works() {
    [[ ! -e $unfinished ]] && "$venv/bin/python" -m pip --version >/dev/null 2>&1 && is_recent "$venv/bin/python"
}

# ---- what it takes ----------------------------------------------------------------------------

python=$(find_python) || die "no Python >= 3.11 with its venv module found; run make setup first, or set PYTHON=..."
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
if [[ -n $PARLOUR ]]; then parlour=("$PARLOUR"); else parlour=(-e .); fi
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

rm "$unfinished"
fingerprint >"$stamp.new"
mv "$stamp.new" "$stamp"
say "ready: $venv"
