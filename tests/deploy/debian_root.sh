#!/bin/sh
# debian_root.sh DIR PACKAGES: make a root file system of Debian bookworm, if DIR is not there yet.
set -eu
[ -d "$1" ] && exit
# The mirror that apt uses here, if it names one.
# shellcheck disable=SC2016 # apt-get expands it
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' |
    head -n 1)
rm -rf "$1.part"
nice debootstrap --variant=minbase --include="$2" bookworm "$1.part" ${mirror:+"$mirror"} \
    >"$1.log" || { tail -n 5 "$1.log" >&2; exit 1; }
mv "$1.part" "$1"
