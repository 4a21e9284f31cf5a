#!/bin/sh
# Installs, upgrades, rolls back or removes Jikimi as a systemd service; may be run again and again.
# Each version has a folder of its own in /opt/jikimi, and `current` points to the one that runs.
set -eu

usage="usage: install.sh [--wheel FILE] [--root DIR]      install or upgrade
       install.sh --rollback [--root DIR]          back to the version before
       install.sh --uninstall [--root DIR]         remove all but configuration and state
PYTHON names the Python to use (3.11 or newer; python3 if not set); --root installs below DIR."

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
source=$(dirname "$(dirname "$here")")
python=${PYTHON:-python3}
action=install root='' wheel='' changed=''

say() { printf '%s\n' "$*"; }
die() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

while [ $# -gt 0 ]; do
    case $1 in
        --rollback | --uninstall) action=${1#--} ;;
        --root | --wheel)
            [ $# -ge 2 ] || die "$1 needs a value"
            if [ "$1" = --root ]; then root=${2%/}; else wheel=$2; fi
            shift ;;
        --help) say "$usage"; exit ;;
        *) printf '%s\n' "$usage" >&2; exit 64 ;;
    esac
    shift
done

opt=$root/opt/jikimi
etc=$root/etc/jikimi
unit=$root/etc/systemd/system/jikimi.service
sysusers=$root/etc/sysusers.d/jikimi.conf
rules=$root/etc/udev/rules.d/60-jikimi.rules
command=$root/usr/local/bin/jikimi

# The running system is touched only when the installation is for it.
on_system() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

# Put "$2" at "$1", with mode "$3", where it is not there yet or differs.
put() {
    [ -d "$(dirname "$1")" ] || install -d "$(dirname "$1")"
    cmp -s "$2" "$1" && return
    install -m "$3" "$2" "$1"
    changed=yes
}

# Build the version's environment aside: nothing that runs is touched until it is complete.
build() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "Jikimi needs Python 3.11 or newer; set PYTHON=…"
    "$python" -c 'import ensurepip' 2>/dev/null ||
        die "$python cannot make environments; install python3-venv"
    rm -rf "$release"
    say "Making an environment in $release (10 s) …"
    "$python" -m venv "$release"
    say "Installing what Jikimi needs (a minute or two, of which downloads take most) …"
    set -- "$release/bin/python" -m pip install --disable-pip-version-check
    "$@" --require-hashes -r "$source/requirements.txt"
    "$@" --require-hashes -r "$source/deploy/requirements-gpio.txt" ||
        say "warning: no lgpio for this Python: relays on this box's own pins will not work"
    "$@" --no-deps "$wheel"
    # What runs there later finds it without the root that it was built below.
    if [ -n "$root" ]; then
        grep -rlIF --exclude-dir=site-packages "$root/opt" "$release/bin" "$release/pyvenv.cfg" |
            xargs sed -i "s|$root/opt|/opt|g"
    fi
    install -m 644 "$here/jikimi.service" "$release/"
    touch "$release/.complete"
}

# Make "$1" the version that runs, with its unit, and the one that ran the version before.
switch_to() {
    put "$unit" "$opt/$1/jikimi.service" 644
    running=$(readlink "$opt/current" || true)
    [ "$running" = "$1" ] && return
    [ -z "$running" ] || ln -sfn "$running" "$opt/previous"
    ln -sfn "$1" "$opt/current.new"
    mv -T "$opt/current.new" "$opt/current"
    changed=yes
}

restart() { # fails where the daemon does not get ready
    on_system && [ -n "$changed" ] || return 0
    systemctl daemon-reload
    # Whoever stopped it wants it stopped; one that fails, or is about to try again, wants mending.
    [ "$(systemctl is-active jikimi)" != inactive ] || return 0
    systemctl reset-failed jikimi || true
    say "Restarting jikimi, until it says that it is ready …"
    systemctl restart jikimi
}

roll_back() {
    [ -e "$opt/previous/.complete" ] || die "there is no version before this one in $opt"
    switch_to "$(readlink "$opt/previous")"
    say "back to $(readlink "$opt/current")"
    restart || die "it does not start either: journalctl -u jikimi"
}

do_install() {
    if [ -z "$wheel" ]; then
        set -- "$source"/dist/jikimi-*.whl
        [ -f "$1" ] || die "there is no wheel in $source/dist; run 'make wheel', or name one with --wheel"
        [ $# = 1 ] || die "there are several wheels in $source/dist; name one with --wheel"
        wheel=$1
    fi
    [ -f "$wheel" ] || die "there is no wheel $wheel"
    version=$(basename "$wheel" | cut -d- -f2)
    content=$(cat "$wheel" "$source/requirements.txt" "$source/deploy/requirements-gpio.txt" \
        "$here/jikimi.service" | sha256sum)
    release=$opt/$version-$(printf %.8s "$content")
    install -d "$opt"
    [ -e "$release/.complete" ] || build

    put "$sysusers" "$here/jikimi.sysusers" 644
    put "$rules" "$here/jikimi.rules" 644
    put "$command" "$here/jikimi.sh" 755
    systemd-sysusers --root="${root:-/}" "$sysusers"

    group=$(sed -n 's/^jikimi:[^:]*:\([0-9]*\):.*/\1/p' "$root/etc/group")
    install -d -m 750 -g "$group" "$etc"
    install -d -m 700 "$etc/credentials"
    [ -e "$etc/jikimi.yaml" ] ||
        install -m 640 -g "$group" "$source/config/examples/minimal.yaml" "$etc/jikimi.yaml"

    if on_system; then
        # A container has no udev, and no relays.
        { udevadm control --reload && udevadm trigger --subsystem-match=gpio; } 2>/dev/null || true
    fi
    switch_to "$(basename "$release")"
    if ! restart; then
        say "$(basename "$release") does not start:"
        journalctl -u jikimi -n 5 -o cat || true
        roll_back
        die "the upgrade was taken back"
    fi
    for old in "$opt"/*-*; do
        case ${old##*/} in
            "$(readlink "$opt/current")" | "$(readlink "$opt/previous" || true)") ;;
            *) rm -rf "$old" ;;
        esac
    done
    say "Jikimi $(basename "$release") is installed"
    if ! on_system || ! systemctl is-active -q jikimi; then
        say "Name your cameras in /etc/jikimi/jikimi.yaml, then: systemctl enable --now jikimi"
    fi
}

do_uninstall() {
    if on_system && [ -e "$unit" ]; then systemctl disable --now jikimi; fi
    rm -rf "$opt" "$unit" "$sysusers" "$rules" "$command"
    if on_system; then systemctl daemon-reload; fi
    say "Jikimi is removed. Left: /etc/jikimi, /var/lib/jikimi and the user jikimi. To be rid of them too:"
    say "  rm -r /etc/jikimi /var/lib/jikimi /etc/systemd/system/jikimi.service.d; userdel jikimi"
}

case $action in
    install) do_install ;;
    rollback) roll_back ;;
    uninstall) do_uninstall ;;
esac
