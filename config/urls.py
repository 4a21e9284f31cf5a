"""Camera URLs as technicians type them, raw passwords included.

A password may hold `@ : / # % ?` as it is. Where a text can be read in two ways, the doubt
goes to the password, so that no part of it ends up in what people may see:

- Credentials end at the *last* `@`; an `@` in a path behind credentials is written `%40`.
- The user name ends at the first `:`. One that holds `: / ? #` is percent-encoded.
- `host/…@…`, and `host:port/…@…` where the host is an IP address or `localhost` (or has a dot,
  and what follows the `@` is no such address), have no credentials: there the `@` is the path's.
- `%40` and its like are decoded in a password (or user name) that could be part of a proper URL.
  One with a raw `@ : / ? #`, a space or a lone `%` was typed as it is, and is taken literally.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import quote, unquote, unquote_to_bytes

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from config.hosts import is_host
from config.masking import masked, register_credentials, register_rest
from config.secrets import MASK, register_secret

Kind = Literal["network", "file", "device", "pattern"]

NETWORK_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp")
SCHEMES = (*NETWORK_SCHEMES, "file", "device", "pattern")
_MEANT = ("rtsp", "http", "rtmp", "file", "device", "pattern")
"""What a misspelt scheme is likely to mean: cameras with TLS are rare."""
PATTERNS = ("calm", "scuffle")
"""The rendered demo cameras."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_ADDRESS = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[\w.-]+)(?::(?P<port>\d+))?(?P<rest>[/?#].*)?"
)
_SLIP = re.compile(rf"(?i)({'|'.join(NETWORK_SCHEMES)})(:[/\\\\]*|[/\\\\]+)")
"""A network URL in which a colon or a slash is missing, or slashes lean the wrong way."""
_BARE_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w-]+(\.[\w-]+)+)(:\d{1,5})?(?=/|$)")
"""What may be shown of an address without a scheme: `admin:12345` may be a password."""
_LITERAL = re.compile(r"[@:/?#\s]|%(?![0-9A-Fa-f]{2})")
_QUERY_SECRET = re.compile(
    r"(?i)(?<![a-z])"
    r"(?P<key>(?:password|passwd|passphrase|pass|pwd|psw|token|secret|auth|api_?key|key|sig)=)"
    # Some recorders write /user=admin_password=…_channel=1 instead of a query.
    r"(?P<value>.*?)(?=[&;#]|_[a-z]+=|$)"
)


@dataclass(frozen=True, slots=True, repr=False)
class StreamUrl:
    """Where a camera's pictures come from.

    `url` holds the password, percent-encoded as libav wants it: hand it to the decoder and
    to nothing else. `redacted` is what people and logs may see; it is also `str()` and `repr()`.

    `identity` tells one address from another without its password, as before an update. It may
    hold other secrets: compare or hash it, and show it to nobody. Empty but for network URLs.

    By kind, `url` is: network, the URL; file, the plain path as typed, without `file://`;
    device, its path (`/dev/video0`, also for `device://0`); pattern, `pattern://NAME`.
    """

    url: str
    redacted: str
    kind: Kind
    identity: str = ""

    def __str__(self) -> str:
        return self.redacted

    __repr__ = __str__

    @classmethod
    def parse(cls, text: str) -> StreamUrl:
        """Parse `text`; raises ValueError in the operator's words, without the password.

        Registers every password it finds, so that logs hide it from now on.
        """
        if not isinstance(text, str):
            raise ValueError("must be text; write e.g. rtsp://user:password@host/stream1")  # noqa: TRY004 - pydantic reports ValueErrors only
        text = text.strip()
        if not text:
            raise ValueError("is empty; write e.g. rtsp://user:password@host/stream1")
        if not text.isprintable():
            raise ValueError("holds a line break or control character; write it on one line")
        match = _SCHEME.match(text)
        if match is None:
            return _parse_path(text)
        scheme, rest = match[1].lower(), text[match.end() :]
        match scheme:
            case "file":
                return _parse_path(_file_path(rest))
            case "device":
                return _parse_device(rest)
            case "pattern":
                return _parse_pattern(rest)
            case _ if scheme in NETWORK_SCHEMES:
                return _parse_network(scheme, rest)
        if scheme == "onvif":
            raise ValueError(
                "onvif:// names a camera, not its video; write the stream's own address, "
                "rtsp://user:password@host/path, from the camera's web page or `jikimi discover`"
            )
        raise ValueError(
            f"{scheme}:// is not understood; {_closest(scheme, _MEANT)}"
            f"use one of {', '.join(SCHEMES)}, or a file's path"
        )

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.parse(value),
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.to_string_ser_schema(),
        )


def split_camera(text: str) -> tuple[str | None, str]:
    """`[NAME=]URL` as (name or None, URL text); neither is checked yet.

    An `=` inside a URL is its own: what stands before the first `=` is a name only if it has no
    `/` and no `:`. A file called `a=b.mp4` is written `./a=b.mp4`.
    """
    name, equals, url = text.strip().partition("=")
    if not equals or re.search(r"[/:]", name):
        return None, text.strip()
    return name.strip(), url.strip()


def split_cameras(text: str) -> list[tuple[str | None, str]]:
    """The cameras of `JIKIMI_CAMERAS`, separated by white space (in a password: `%20`)."""
    return [split_camera(word) for word in text.split()]


def with_credentials(url: str, user: str, password: str | None) -> str:
    """`url` with `user` and `password` (taken literally) put in; ValueError if it has its own."""
    match = _SCHEME.match(url.strip())
    if match is None or match[1].lower() not in NETWORK_SCHEMES:
        raise ValueError("takes no user and password; remove them")
    credentials, address = _split_credentials(url.strip()[match.end() :])
    if credentials is not None:
        raise ValueError(
            "has a user of its own; give it either in the url or as user: and password:"
        )
    login = quote(user, safe="")
    if password is not None:
        register_secret(password)
        login += ":" + quote(password, safe="")
    return f"{match[0]}{login}@{address.replace('@', '%40')}"


def _parse_network(scheme: str, text: str) -> StreamUrl:
    credentials, address = _split_credentials(text)
    userinfo = shown = identity = ""
    if credentials is not None:
        user, colon, password = credentials.partition(":")
        userinfo = identity = _encoded(user)
        register_credentials(credentials)
        if colon:
            for form in (_decoded(password), _encoded(password)):
                register_secret(form)
            userinfo, identity = f"{userinfo}:{_encoded(password)}", f"{identity}:{MASK}"
        userinfo, identity, shown = f"{userinfo}@", f"{identity}@", f"{MASK}@"
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ValueError(
            f"has no host that can be read; write it as {scheme}://user:password@host:port/path, "
            "and an @ in the path as %40"
            if credentials is not None
            else f"has no host that can be read; write it as {scheme}://host:port/path"
        )
    host, port, rest = match["host"], match["port"], match["rest"] or ""
    if host.startswith("[") and not (":" in host and _is_ip(host)):
        raise ValueError("has brackets around what is no IPv6 address; write e.g. [2001:db8::5]")
    if port is not None and not (len(port) <= 5 and 1 <= int(port) <= 65535):
        raise ValueError("has a port outside 1 to 65535; RTSP's own is 554")
    if not is_host(host.strip("[]")):
        raise ValueError("has a host that is neither a name nor an address; correct it")
    place = host if port is None else f"{host}:{port}"
    rest = rest.replace(" ", "%20")
    register_rest(rest)
    same = _QUERY_SECRET.sub(rf"\g<key>{MASK}", rest)
    return StreamUrl(
        f"{scheme}://{userinfo}{place}{rest}",
        f"{scheme}://{shown}{place}{masked(rest)}",
        "network",
        f"{scheme}://{identity}{place}{same}",
    )


def _split_credentials(text: str) -> tuple[str | None, str]:
    """(`user[:password]` or None, `host[:port][/path]`), by the rules above."""
    credentials, at, address = text.rpartition("@")
    if not at:
        return None, text
    head = re.split(r"[/?]", text, maxsplit=1)[0]
    if "@" not in head and len(head) < len(text):
        if not re.search(r"[:#]", re.sub(r"^\[[^]]*\]", "", head)):
            return None, text
        match = _ADDRESS.fullmatch(head)
        if match is not None and not match["rest"]:
            host = match["host"]
            if _is_ip(host) or host == "localhost" or ("." in host and not _names_host(address)):
                return None, text
    return credentials, address


def _names_host(address: str) -> bool:
    """Whether `address` is more than a bare word: it has a dot in its host, or a port."""
    match = _ADDRESS.fullmatch(address)
    return match is not None and ("." in match["host"] or match["port"] is not None)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _decoded(part: str) -> str:
    return part if _LITERAL.search(part) else unquote(part)


def _encoded(part: str) -> str:
    return quote(part if _LITERAL.search(part) else unquote_to_bytes(part), safe="")


def _parse_path(path: str) -> StreamUrl:
    """A file or device. What was surely meant as a network URL is a mistake, not a file."""
    if slip := _SLIP.match(path):
        scheme = slip[1].lower()
        raise ValueError(
            f"begins with {slip[0]} instead of {scheme}://; "
            f"write {scheme}://user:password@host/path"
        )
    if not path.startswith(("/", ".", "~")) and re.match(
        r"[^/]*@|[\w.-]+:\d|\[[0-9A-Fa-f:]+\]|(\d+\.){3}\d", path
    ):
        bare = None if "@" in path else _BARE_HOST.match(path)
        host = bare[0] if bare else "user:password@host"
        raise ValueError(
            f"does not begin with a scheme; write rtsp://{host}/path for a camera, with the path "
            "from its manual, or ./… for a file"
        )
    kind: Kind = "device" if path.startswith("/dev/") else "file"
    return StreamUrl(path, path, kind)


def _file_path(rest: str) -> str:
    host, slash, path = rest.partition("/")
    if host not in {"", "localhost"} or not path:
        raise ValueError("is no file of this machine; write file:///path/to/video.mp4")
    return unquote(slash + path)


def _parse_device(rest: str) -> StreamUrl:
    if re.fullmatch(r"\d{1,3}", rest):
        path = f"/dev/video{int(rest)}"
    elif rest.startswith("/dev/"):
        path = rest
    else:
        raise ValueError("names no device; write device://0 or /dev/video0")
    return StreamUrl(path, path, "device")


def _parse_pattern(name: str) -> StreamUrl:
    if name not in PATTERNS:
        raise ValueError(
            f"is no test pattern; {_closest(name, PATTERNS)}"
            f"there are {' and '.join(f'pattern://{known}' for known in PATTERNS)}"
        )
    url = f"pattern://{name}"
    return StreamUrl(url, url, "pattern")


def _closest(word: str, known: tuple[str, ...]) -> str:
    matches = get_close_matches(word, known, n=1)
    return f"did you mean {matches[0]}? " if matches else ""
