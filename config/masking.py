"""What may be shown of a URL: by a list of what is harmless, for nobody can list the secrets.

Scheme, host, port and path are shown, and of a query what is known to be harmless. All else, as
user info, other keys and values, fragments, separators hidden in percent-encoding, is `***`.
What is masked here, and looks as if it were a secret, `scrub` masks in every other text, too.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from config.secrets import MASK, register_secret

_HARMLESS = re.compile(
    r"""
    audio | audiocodec | bitrate | cam | camera | ch | channels? | chn | codec | compression
    | format | fps | framerate | height | mode | multicast | profile | proto | protocol | quality
    | res | resolution | size | stream | streamprofile | stream_?type | substream | subtype | track
    | trackid | transport | transportmode | type | unicast | video | videocodec | width
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Keys of a camera's query whose values are shown."""

_SECRET = re.compile(
    r"""
    user(name)? | usr | login\w* | pass\w* | pw | pwd | psw | sid | hash | sig(nature)?
    | \w*(token|secret|auth|key|pwd|passw)\w*
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Keys whose name is shown and whose value is a secret, however short."""

_LONGEST_KEY = 64
"""A longer one is no name, and would take `_SECRET` the square of its length."""

_PLAIN_VALUE = re.compile(r"[\w.,:*-]{0,24}", re.ASCII)
_PAIR = re.compile(r"(?<![^_=&;])(?P<key>[^_=&;]*)=(?P<value>.*?)(?=[&;]|_[A-Za-z]+=|$)")
"""Some recorders write /user=admin_password=…_channel=1 in place of a query."""
_SEPARATOR = re.compile(r"[?&#;=]")
_URL = re.compile(r"(?<=[A-Za-z0-9+.-])://(\S+)", re.ASCII)


def masked(rest: str) -> str:
    """What may be shown of `rest`, a URL's path, query and fragment."""
    before, hash_sign, fragment = rest.partition("#")
    path, question, query = before.partition("?")
    shown = "/".join(_masked_segment(segment) for segment in _masked_login(path).split("/"))
    if question:
        shown += "?" + "&".join(_masked_pair(pair) for pair in re.split("[&;]", query))
    return shown + (f"#{MASK}" if fragment else hash_sign)


def register_rest(rest: str) -> None:
    """Make known to `scrub` what `masked` hides of `rest`."""
    before, _, fragment = rest.partition("#")
    path, _, query = before.partition("?")
    if masked(rest) != rest and looks_secret(query):
        register_secret(query)
    for part in re.split("[&;]", f"{query}&{fragment}"):
        _register_pair(part)
    for login in _decoded(path).split("@")[:-1]:
        for part in re.split("[/:]", login.partition(":")[2]):
            register_looking_secret(part)
    for segment in path.split("/"):
        for part in re.split("[?&;#]", _decoded(segment)):
            if "=" in part:
                for pair in _PAIR.finditer(part):
                    _register_pair(pair[0])


def register_url_secrets(text: str, path: bool = False) -> None:
    """Make known to `scrub` what is secret in the URLs that stand in `text`.

    With `path`, in that too, as in a webhook's address.
    """
    for found in _URL.finditer(text):
        credentials, at, address = found[1].rpartition("@")
        if at:
            register_credentials(credentials)
        rest = "".join(re.split(r"(?=[/?#])", address, maxsplit=1)[1:])
        register_rest(rest)
        if path:
            register_secret(rest)
            for segment in re.split("[/?#]", rest):
                register_looking_secret(segment)


def register_credentials(credentials: str) -> None:
    """Make a URL's `user:password` known to `scrub`; a user without password may be a token."""
    user, _, password = credentials.partition(":")
    if password:
        for form in (password, unquote(password), quote(password, safe="")):
            register_secret(form)
    else:
        register_looking_secret(user)


def register_looking_secret(text: str) -> None:
    """Make `text` known to `scrub`, unless it may be a word that other messages need."""
    for form in {text, unquote(text)}:
        if looks_secret(form):
            register_secret(form)


def looks_secret(text: str) -> bool:
    """Whether `text` is no common word: `main` and `admin` would be starred out everywhere."""
    return len(text) >= 12 or (len(text) >= 6 and re.search(r"[A-Z\d]", text) is not None)


def _masked_login(path: str) -> str:
    """Without the `user:password@` of a URL that stands in a path.

    By hand: `[^/]*:.*@` takes a minute for the 70,000 characters that a mistake may hold.
    """
    login, _, address = path.rpartition("@")
    before, colon, _ = login.partition(":")
    if not colon:
        return path
    return f"{before[: before.rfind('/') + 1]}{MASK}@{address}"


def _masked_segment(segment: str) -> str:
    plain = _decoded(segment)
    if plain != segment and (_SEPARATOR.search(plain) or "@" in plain.partition(":")[2]):
        return MASK
    name, *parameters = segment.split(";")
    shown = _PAIR.sub(lambda pair: _masked_pair(pair[0]), name)
    return ";".join([shown, *(_masked_pair(each) for each in parameters)])


def _masked_pair(pair: str) -> str:
    """`channel=1`, `pwd=***` or, of what is not known, `***`."""
    key, equals, value = pair.partition("=")
    name = key.lstrip("_")
    if not pair or (_HARMLESS.fullmatch(name) and _PLAIN_VALUE.fullmatch(value)):
        return pair
    known = _HARMLESS.fullmatch(name) or (len(name) < 16 and _names_secret(name))
    return f"{key}={MASK}" if equals and known else MASK


def _register_pair(pair: str) -> None:
    key, equals, value = pair.partition("=")
    if _masked_pair(pair) == pair:
        return
    if equals and _names_secret(key.lstrip("_")):
        register_secret(value)
        register_secret(unquote(value))
    else:
        register_looking_secret(value if equals and value.strip("=") else pair)


def _names_secret(key: str) -> bool:
    return len(key) <= _LONGEST_KEY and _SECRET.fullmatch(key) is not None


def _decoded(text: str) -> str:
    """Without percent-encoding, however often it was applied."""
    for _ in range(4):
        text = unquote(text)
    return text
