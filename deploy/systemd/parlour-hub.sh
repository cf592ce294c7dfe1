#!/bin/sh
# For /usr/local/bin/parlour-hub: any command of the hub, as the service's user and with its
# settings, so that it finds what the service finds.
case $(id -un) in
parlour-hub) ;;
root) exec runuser -u parlour-hub -- "$0" "$@" ;;
*) exec sudo -u parlour-hub "$0" "$@" ;;
esac
unset XDG_CACHE_HOME XDG_CONFIG_HOME XDG_STATE_HOME
export HOME=/var/lib/parlour-hub
exec /opt/parlour/bin/parlour-hub --config /etc/parlour/hub.toml "$@"
