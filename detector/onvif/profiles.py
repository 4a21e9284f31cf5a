"""Which of a camera's media profiles Jikimi should watch. Pure.

What detection looks at is a grey of 320 pixels on the longer side, eight times a second. A stream
of 640×360 gives it four pixels for each of its own, which averages the sensor's noise away, and the
alarm a picture on which people can be told apart. More pixels are decoded for nothing, at four
to five times the cost; fewer than eight pictures a second leave samples out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from detector.incidents.smoothing import NEEDED_HZ
from detector.types import SAMPLE_RATE_HZ

SHORT_SIDE = 360
"""Of 640×360: the shorter side, for a camera may be mounted upright."""

LARGE = 1280 * 720
"""Pixels; from here on a sub-stream of its own is worth a setting in the camera."""

VIDEO = ("H264", "H265")
"""As ONVIF writes them. What is sent as JPEG pictures is decoded all the time."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A media profile with video: `width` and `height` in pixels, `encoding` in ONVIF's word.

    `token`: how the camera is asked for its stream. `source`: the token of the lens or channel
    that it shows; a recorder has one for each of its cameras. `fps`: pictures a second at most,
    None where the camera does not say.
    """

    token: str
    source: str
    name: str
    encoding: str
    width: int
    height: int
    fps: float | None

    def __str__(self) -> str:
        """`sub 640x360 H264, 15 pictures a second`."""
        rate = "" if self.fps is None else f", {self.fps:g} pictures a second"
        return f"{self.name or self.token} {self.width}x{self.height} {self.encoding}{rate}"


def recommended(profiles: Iterable[Profile]) -> Profile:
    """The smallest that has all that is needed, else what lacks least.

    At least one is needed. Of those as large it is H.264, which costs less to decode, and of these
    the one with fewer pictures.
    """
    return min(profiles, key=_cost)


def by_source(profiles: Iterable[Profile]) -> list[tuple[Profile, ...]]:
    """The profiles of each source, in the camera's order."""
    sources: dict[str, tuple[Profile, ...]] = {}
    for profile in profiles:
        sources[profile.source] = (*sources.get(profile.source, ()), profile)
    return list(sources.values())


def advice(profile: Profile) -> list[str]:
    """What to set differently in the camera, in the operator's words; empty: nothing."""
    found = []
    if profile.encoding not in VIDEO:
        found.append(f"set H.264: {profile.encoding} is decoded all the time, whatever moves")
    if profile.fps is not None and profile.fps < SAMPLE_RATE_HZ:
        found.append(
            f"set at least 10 pictures a second: {profile.fps:g} are fewer than the "
            f"{SAMPLE_RATE_HZ:g} that detection looks at"
        )
    if min(profile.width, profile.height) < SHORT_SIDE:
        found.append("set 640x360: on a smaller picture distant people are hard to tell")
    elif profile.width * profile.height >= LARGE:
        found.append("set a second stream of 640x360: it detects as well and costs a quarter")
    return found


def _cost(profile: Profile) -> tuple[bool, bool, bool, bool, int, bool, float]:
    """What is worse sorts later: first what nothing mends, at the end what merely costs."""
    fps = SAMPLE_RATE_HZ if profile.fps is None else profile.fps
    return (
        profile.encoding not in VIDEO,
        fps < NEEDED_HZ,
        min(profile.width, profile.height) < SHORT_SIDE,
        fps < SAMPLE_RATE_HZ,
        profile.width * profile.height,
        profile.encoding != VIDEO[0],
        fps,
    )
