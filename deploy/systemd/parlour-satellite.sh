#!/bin/sh
# For /usr/local/bin/parlour-satellite: any command of the satellite, as the service's user and with its
# settings, so that it finds what the service finds.
case $(id -un) in
parlour-satellite) ;;
root) exec runuser -u parlour-satellite -- "$0" "$@" ;;
*) exec sudo -u parlour-satellite "$0" "$@" ;;
esac
unset XDG_CACHE_HOME XDG_CONFIG_HOME XDG_STATE_HOME
export HOME=/var/lib/parlour-satellite
exec /opt/parlour/bin/parlour-satellite --config /etc/parlour/satellite.toml "$@"
