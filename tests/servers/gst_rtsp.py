"""The RTSP server of the tests, run by the system's Python, which has GStreamer's bindings.

Not imported by tests: `servers.rtsp` starts it as its own process with a JSON plan on standard
input and reads `ready` from its output. Access units come from files that `servers.rtsp`
prepared; nothing is encoded here. Every client plays a stream from its beginning, unless it is
shared, endlessly, with time stamps that go on.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - versions come first

LAUNCH = (
    "( appsrc name=source is-live=false format=time block=false max-bytes=2000000 "
    "caps={caps} ! {payloader} name=pay0 )"
)
CODECS = {
    "h264": (
        "video/x-h264,stream-format=byte-stream,alignment=au",
        "rtph264pay pt=96 config-interval=-1",
    ),
    "hevc": (
        "video/x-h265,stream-format=byte-stream,alignment=au",
        "rtph265pay pt=96 config-interval=-1",
    ),
    "mjpeg": ("image/jpeg,width={width},height={height},framerate=25/1", "rtpjpegpay pt=26"),
}
HEADER = struct.Struct("<qqI?")
ROLE = "viewer"


def read_units(path: Path) -> tuple[list[tuple[int, int, bool, bytes]], int]:
    """Access units of a prepared file: (pts ns, dts ns, key, data), and its length in ns."""
    data, units, at = path.read_bytes(), [], 8
    (length,) = struct.unpack_from("<q", data)
    while at < len(data):
        pts, dts, size, key = HEADER.unpack_from(data, at)
        at += HEADER.size
        units.append((pts, dts, key, data[at : at + size]))
        at += size
    return units, length


class Feed:
    """Feeds one client's pipeline from its beginning, as fast as its clock takes it."""

    def __init__(
        self,
        units: list[tuple[int, int, bool, bytes]],
        length: int,
        silent_after: int | None,
        source: Gst.Element,
    ) -> None:
        self.units = units
        self.length = length
        self.silent_after = silent_after
        self.sent = 0
        source.connect("need-data", self.push)

    def push(self, source: Gst.Element, _wanted: int) -> None:
        """Hand over the next access unit, unless the plan wants silence now."""
        if self.silent_after is not None and self.sent >= self.silent_after:
            return
        turn, at = divmod(self.sent, len(self.units))
        pts, dts, key, data = self.units[at]
        buffer = Gst.Buffer.new_wrapped(data)
        buffer.pts, buffer.dts = pts + turn * self.length, dts + turn * self.length
        if not key:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        self.sent += 1
        source.emit("push-buffer", buffer)


class Factory(GstRtspServer.RTSPMediaFactory):
    """Makes a pipeline for each client of one path, or one for all."""

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__()
        self.units, self.length = read_units(Path(plan["file"]))
        self.silent_after = plan["silent_after"]
        caps, payloader = CODECS[plan["codec"]]
        width, height = plan["size"]
        caps = caps.format(width=width, height=height)
        self.set_launch(LAUNCH.format(caps=caps, payloader=payloader))
        self.set_shared(plan["shared"])

    def do_configure(self, media: GstRtspServer.RTSPMedia) -> None:
        """GStreamer made a pipeline: feed it."""
        source = media.get_element().get_child_by_name("source")
        media.feed = Feed(self.units, self.length, self.silent_after, source)


def protect(
    server: GstRtspServer.RTSPServer, user: str, password: str, factories: Iterable[Factory]
) -> None:
    """Let in only who knows `password`."""
    auth = GstRtspServer.RTSPAuth.new()
    token = GstRtspServer.RTSPToken.new()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, ROLE)
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    for factory in factories:
        permissions = GstRtspServer.RTSPPermissions.new()
        permissions.add_permission_for_role(
            ROLE, GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, True
        )
        permissions.add_permission_for_role(
            ROLE, GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, True
        )
        factory.set_permissions(permissions)


def main() -> None:
    """Serve the plan from standard input until killed."""
    plan = json.load(sys.stdin)
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(str(plan["port"]))
    factories = {name: Factory(stream) for name, stream in plan["streams"].items()}
    for name, factory in factories.items():
        server.get_mount_points().add_factory(f"/{name}", factory)
    if plan["user"]:
        protect(server, plan["user"], plan["password"], factories.values())
    if not server.attach(None):
        sys.exit("cannot listen")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


main()
