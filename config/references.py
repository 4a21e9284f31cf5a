"""Secrets that stand elsewhere: `{file: …}`, `{env: …}`, `{credential: …}` in place of a text.

Everything read here, and everything that stands in plain under a key such as `password`,
is registered, so that no log line or error shows it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from config.files import SECRET_BYTES, UnfitFileError, expanded, read_file
from config.masking import register_url_secrets
from config.secrets import register_secret
from config.tree import Key, Mistake, Node, unfit_character
from config.urls import StreamUrl

FORMS = ("file", "env", "credential")
CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"
"""Set by systemd for a unit with `LoadCredential=`."""

_SECRET_KEY = re.compile(
    r"(?i)(^|[_-])(pass(word|phrase|wd)?|pwd|token|secret|authorization|api[_-]?key)$"
)

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_secret_key(name: object) -> bool:
    """Whether what stands under a key of this name is secret."""
    return isinstance(name, str) and _SECRET_KEY.search(name) is not None


def is_reference(node: Node, named: Collection[Key] = ()) -> bool:
    """Whether `node` is a `{file: …}` and the like, not a section that has such a key.

    Cameras, sinks and what stands at the keys in `named` have names of the operator's: a camera
    may be called `file`.
    """
    if node.key in {(), ("cameras",), ("sinks",)} or node.key in named:
        return False
    if len(node.key) == 2 and node.key[0] == "sinks":
        return False
    entries = node.children()
    return len(entries) == 1 and next(iter(entries)) in FORMS


def referenced_variables(node: Node, named: Collection[Key] = ()) -> set[str]:
    """The names in all `{env: NAME}` below `node`: variables that are not settings."""
    if is_reference(node, named):
        name = node.children().get("env")
        return {name.value} if name is not None and isinstance(name.value, str) else set()
    inner = node.value
    below = inner.values() if isinstance(inner, dict) else inner if isinstance(inner, list) else ()
    return set().union(*(referenced_variables(child, named) for child in below))


def resolve(
    node: Node, environ: Mapping[str, str], named: Collection[Key] = ()
) -> tuple[Node, list[Mistake]]:
    """`node` with every reference replaced by what it refers to, and what could not be read.

    Texts that no setting can be are mistakes, too. `named` as in `is_reference`.
    """
    if is_reference(node, named):
        (form, target) = next(iter(node.children().items()))
        try:
            text = _read(form, target, environ)
        except ValueError as error:
            return replace(node, value=None), [node.mistake(str(error))]
        if node.key[:1] != ("cameras",) or node.key[-1] != "url":  # there only the password is one
            register_secret(text)
        return _checked(replace(node, value=text))
    mistakes: list[Mistake] = []
    if isinstance(node.value, dict):
        entries = {}
        for name, child in node.value.items():
            entries[name], found = resolve(child, environ, named)
            mistakes += found
        return replace(node, value=entries), mistakes
    if isinstance(node.value, list):
        items = []
        for child in node.value:
            item, found = resolve(child, environ, named)
            items.append(item)
            mistakes += found
        return replace(node, value=items), mistakes
    return _checked(node)


def _checked(node: Node) -> tuple[Node, list[Mistake]]:
    """`node` with its secrets registered; without what no setting can be."""
    text = node.value
    if not isinstance(text, str):
        return node, []
    if node.key and is_secret_key(node.key[-1]):
        register_secret(text)
        # `Authorization: Bearer abc`: the token alone may turn up elsewhere.
        register_secret(text.rpartition(" ")[2])
    if "://" in text:
        register_url_secrets(text)
        with suppress(ValueError):  # the check of a camera's URL says what is wrong
            StreamUrl.parse(text)  # finds passwords with raw slashes in them, too
    if unfit_character(text):
        words = "holds a control character, or half of one; remove it"
        return replace(node, value=None), [node.mistake(words)]
    return node, []


def _read(form: str, target: Node, environ: Mapping[str, str]) -> str:
    """What a reference refers to; ValueError in the operator's words."""
    name = target.value
    if not isinstance(name, str):
        raise ValueError(f"names no {form}; write {{{form}: NAME}}")  # noqa: TRY004 - see above
    if "://" in name:  # not to be quoted: it may hold a password
        raise ValueError(f"is given a URL; write the name of the {form} that holds it")
    if unfit_character(name):
        raise ValueError(f"holds a control character; write the name of the {form}")
    if form == "env":
        if not _VARIABLE.fullmatch(name):  # not to be quoted: it may be the password itself
            raise ValueError("is given what is no name of a variable; write {env: NAME}")
        if not environ.get(name):
            raise ValueError(f"the environment variable {name} is not set; set it")
        return environ[name]
    if form == "credential":
        folder = environ.get(CREDENTIALS_DIRECTORY)
        if not folder:
            raise ValueError(
                f"credential {name}: {CREDENTIALS_DIRECTORY} is not set; "
                f"add LoadCredential={name}:… to the systemd unit, or use {{file: …}}"
            )
        return _content(Path(folder) / name)
    path = expanded(name)
    return _content(target.place.folder / path if target.place.folder else path)


def _content(path: Path) -> str:
    try:
        text = read_file(path, SECRET_BYTES).decode("utf-8-sig").rstrip("\r\n")
    except UnfitFileError as error:
        raise ValueError(f"the file {path} {error}") from None
    except UnicodeDecodeError:
        raise ValueError(f"the file {path} is not UTF-8 text; save it so") from None
    except FileNotFoundError:
        raise ValueError(f"the file {path} does not exist; create it or correct the path") from None
    except PermissionError:
        raise ValueError(f"the file {path} may not be read by this user; check its mode") from None
    except OSError as error:
        raise ValueError(f"the file {path} cannot be read: {error.strerror}; check it") from None
    if not text:
        raise ValueError(f"the file {path} is empty; write the value into it")
    return text
