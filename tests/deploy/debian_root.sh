#!/bin/sh
# Prints where a root file system of Debian bookworm lies, for containers made without docker: with
# Python, and a systemd that can boot. The first run makes it (a minute or two), later ones find it.
set -eu
cache=${XDG_CACHE_HOME:-$HOME/.cache}/jikimi-checks
root=$cache/bookworm
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9 # two checks may begin at once
if [ ! -d "$root" ]; then
    # The mirror that apt uses here, if it names one.
    # shellcheck disable=SC2016 # apt-get expands it
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' |
        head -n 1)
    rm -rf "$root.part"
    nice debootstrap --variant=minbase \
        --include=ca-certificates,dbus,python3,python3-venv,systemd,systemd-sysv \
        bookworm "$root.part" ${mirror:+"$mirror"} >"$root.log" 2>&1 ||
        { tail -n 5 "$root.log" >&2; exit 1; }
    mv "$root.part" "$root"
fi
echo "$root"
