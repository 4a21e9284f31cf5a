#!/bin/sh
# Puts `jikimi` on the PATH of who runs it, by `make install`: with pipx, in an environment of its
# own; where there is no pipx, by a link in ~/.local/bin to the command in .venv.
set -eu

repository=$(dirname "$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)")
target=$repository/.venv/bin/jikimi
folder=$HOME/.local/bin
link=$folder/jikimi

say() { printf '%s\n' "$*"; }
die() { printf 'install_command.sh: %s\n' "$*" >&2; exit 1; }

# Whether what a shell finds as `jikimi` is the one in folder "$1", and what to do where it is not.
say_path() {
    case :$PATH: in
        *:"$1":*)
            found=$(command -v jikimi || true)
            [ "$found" = "$1/jikimi" ] ||
                say "But $found comes first on your PATH; remove it, or call $1/jikimi." ;;
        *)
            say "$1 is not on your PATH. Add this line to ~/.profile (zsh: ~/.zprofile), and log in again:"
            say "  export PATH=\"$1:\$PATH\"" ;;
    esac
}

# Whether jikimi is a link that `make install` made: of this checkout, or of one that is gone.
ours() { [ "$(readlink "$link")" = "$target" ] || { [ -L "$link" ] && [ ! -e "$link" ]; }; }

install_with_pipx() {
    constraints=$(mktemp)
    trap 'rm -f "$constraints"' EXIT
    # The versions that are tested, without hashes: pip has none for what it builds from here.
    sed -n 's/^\([^ #-][^ ]*==[^\\]*[^ \\]\) *\\*$/\1/p' "$repository/requirements.txt" > "$constraints"
    if ours; then rm "$link"; fi # pipx would leave it as it is
    say "Installing jikimi with pipx (a minute or two) …"
    pipx install --force --python "${PYTHON:-python3}" \
        --pip-args "--constraint $constraints" "$repository"
    say_path "$(pipx environment --value PIPX_BIN_DIR)"
}

install_link() {
    [ -x "$target" ] || die "there is no $target; run 'make install'"
    if [ -e "$link" ] || [ -L "$link" ]; then
        ours || die "$link is there already and not of this checkout; remove it first"
    fi
    mkdir -p "$folder"
    ln -sfn "$target" "$link"
    say "$link now is a link to $target"
    say_path "$folder"
}

uninstall() {
    if command -v pipx > /dev/null && pipx list --short | grep -q '^jikimi '; then
        pipx uninstall jikimi
    elif ours; then
        rm "$link"
        say "removed $link"
    else
        say "there is nothing to remove: neither pipx nor $link has jikimi of this checkout"
    fi
}

case ${1:-} in
    --uninstall) uninstall ;;
    '') if command -v pipx > /dev/null; then install_with_pipx; else install_link; fi ;;
    *) die "usage: install_command.sh [--uninstall]" ;;
esac
