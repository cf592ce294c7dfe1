#!/usr/bin/env bash
# Installs what some tests need beside .venv. `make test` runs it first; it takes no time when all
# is there. What cannot be installed is named, and its tests skip.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source deploy/apt.sh

# Debian package, what shows that it is there (a command, or a file), the tests that need it
tools=(
    "pulseaudio pulseaudio test_sound_devices"
    "pulseaudio-utils parec test_sound_devices"
    "libasound2-plugins /usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so test_sound_devices"
    "iproute2 ip --distant,test_many_rooms"
    "systemd systemd-analyze test_systemd"
    "chromium chromium test_page"
    "haproxy /usr/sbin/haproxy test_scaling"
)

say() { printf 'test tools: %s\n' "$*"; }

is_there() {
    if [[ $1 == /* ]]; then
        compgen -G "$1" >/dev/null
    else
        command -v "$1" >/dev/null
    fi
}

missing=() tests=()
for tool in "${tools[@]}"; do
    read -r package evidence needed_by <<<"$tool"
    if ! is_there "$evidence"; then
        missing+=("$package")
        tests+=("$needed_by")
    fi
done
if ((${#missing[@]} > 0)); then
    if can_install; then
        say "installing ${missing[*]}"
        install_packages "${missing[@]}" || say "could not install ${missing[*]}; tests will skip"
    else
        skipped=$(printf '%s\n' "${tests[@]}" | sort -u | tr '\n' ' ')
        say "run: sudo apt-get install ${missing[*]} (without, these skip: $skipped)"
    fi
fi

deploy/setup.sh mic || say "no pyaudio (see above); test_sound_devices will skip"

# The original openWakeWord, which ends at Python 3.11; 200 MB that only custom models need.
python=.venv/bin/python
if "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 12))' &&
    ! "$python" -c 'import openwakeword' 2>/dev/null; then
    say "installing the original openwakeword"
    "$python" -m pip --disable-pip-version-check -q install -c deploy/constraints.txt \
        -e ".[openwakeword]" || say "no openwakeword (see above); test_custom_wake_words will skip"
fi
exit 0 # tests that lack something skip, each with its reason
