#!/bin/sh
# The `jikimi` command of the installation that systemd runs: with its state and its credentials.
export STATE_DIRECTORY="${STATE_DIRECTORY:-/var/lib/jikimi}"
export CREDENTIALS_DIRECTORY="${CREDENTIALS_DIRECTORY:-/run/credentials/jikimi.service}"
exec /opt/jikimi/current/bin/jikimi "$@"
