# What the scripts that make virtual environments share; to be sourced from the project's folder.
# Before, the script sets
#   name    its own, which its lines begin with; what locks is the file deploy/$name.sh
#   venv    the environment's folder
# and before it asks is_set_up or calls finish
#   fingerprint    a function that prints all that decides what is in the environment

stamp=$venv/.parlour-setup # the fingerprint; there once the environment is whole
unfinished=$venv/.parlour-setup-unfinished
log=$venv/setup.log
pip=("$venv/bin/python" -m pip --disable-pip-version-check)

say() { printf '%s: %s\n' "$name" "$*"; }
die() { printf '%s: %s\n' "$name" "$*" >&2; exit 1; }

is_set_up() {
    [[ -f $stamp && -x $venv/bin/python && "$(fingerprint 2>/dev/null)" == "$(<"$stamp")" ]]
}

# Waits until no other set-up of this kind runs here, and keeps others out until the script ends.
one_at_a_time() {
    command -v flock >/dev/null || return 0
    exec 9<"deploy/$name.sh"
    flock -n 9 || { say "another set-up is running here; waiting for it"; flock 9; }
}

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
can_make_venvs() { is_recent "$1" && "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

find_python() { # CHECK CANDIDATE... → the first one that passes
    local check=$1 candidate
    shift
    for candidate in "$@"; do
        if "$check" "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# pip does not install atomically: what an interrupted set-up left may look whole and not be.
works() { [[ ! -e $unfinished ]] && "${pip[@]}" --version >/dev/null 2>&1 && is_recent "$venv/bin/python"; }

# Runs a long command with its output in the log; shows that it is alive.
step() { # LABEL COMMAND...
    local label=$1 began=$SECONDS child
    shift
    "$@" >"$log" 2>&1 &
    child=$!
    trap 'kill "$child" 2>/dev/null; exit 130' INT TERM
    while kill -0 "$child" 2>/dev/null; do
        sleep 0.5
        if [[ -t 1 ]]; then
            printf '\r\033[K%s: %s, %d s' "$name" "$label" $((SECONDS - began))
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

finish() {
    rm -f "$unfinished"
    fingerprint >"$stamp.new"
    mv "$stamp.new" "$stamp"
}

# ---- environments beside the hub's, for engines that must not share its libraries ---------------

parlour=(-e .) # what Parlour is installed from
[[ -z ${PARLOUR:-} ]] || parlour=("$PARLOUR")

# Of the fingerprint: what is in all of them. The path: an editable install points here.
fingerprint_beside_hub() {
    sed -n '/^dependencies/,/^]/p; /^\[project.scripts\]/,/^$/p' pyproject.toml
    cat deploy/environment.sh "deploy/$name.sh"
    "$venv/bin/python" -VV
    pwd
    [[ ! -f ${PARLOUR:-} ]] || sha256sum "$PARLOUR"
    [[ ! -d ${PARLOUR:-} ]] || find "$PARLOUR"/{hub,protocol} -type f ! -name '*.pyc' -exec sha256sum {} + | sort
}

# The Python to make one with: the hub's own, where nobody names another.
python_beside_hub() {
    find_python can_make_venvs \
        ${PYTHON:-"${venv%"-$name"}/bin/python" .venv/bin/python python3 python3.13 python3.12 python3.11} ||
        die "no Python >= 3.11 with its venv module found; run make setup first, or set PYTHON=..."
}
