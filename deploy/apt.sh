# Debian packages, for the set-up scripts; to be sourced.

# Whether packages can be installed here without asking anybody.
can_install() {
    command -v apt-get >/dev/null && { [[ $EUID -eq 0 ]] || sudo -n true 2>/dev/null; }
}

# Installs packages; fails, with apt's own words, where that does not work.
install_packages() {
    local apt=(apt-get)
    [[ $EUID -eq 0 ]] || apt=(sudo -n apt-get)
    "${apt[@]}" -qq update &&
        DEBIAN_FRONTEND=noninteractive "${apt[@]}" -qq install -y --no-install-recommends "$@" >/dev/null
}
