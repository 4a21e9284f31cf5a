"""The `cameras:` section for what was found, ready for a configuration file. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import yaml

from config.secrets import scrub
from config.settings import NAME_PATTERN
from detector.onvif.addresses import host_of
from detector.onvif.camera import Camera
from detector.onvif.discovery import Device
from detector.onvif.profiles import advice

HIDDEN = "its address holds a password, which is shown as ***; --write FILE writes it whole"


def section(cameras: Sequence[Camera], login: dict[str, Any], *, whole: bool) -> str:
    """YAML for `cameras`, with comments that say what each sends and what to set in it.

    `login`: `user` and a reference to its password, as in the file. `whole`: with passwords that
    cameras put into their addresses; else those are `***`.
    """
    lines = ["cameras:"]
    for name, camera in zip(names([camera.device for camera in cameras]), cameras, strict=True):
        url = camera.url.url if whole else camera.shown
        lines += [f"  # {line}" for line in _about(camera, hidden=url != camera.url.url)]
        entry = {name: {"url": url, **login}}
        written = yaml.safe_dump(
            entry, default_flow_style=None, sort_keys=False, allow_unicode=True, width=1000
        )
        lines += [f"  {line}" for line in written.splitlines()]
    return "\n".join(lines) + "\n"


def names(devices: Sequence[Device]) -> list[str]:
    """A name for each camera: its own, with its host where several have it or it has none."""
    own = [_fit(scrub(device.name or device.hardware)) for device in devices]
    count = Counter(own)
    told: Counter[str] = Counter()
    found = []
    for name, device in zip(own, devices, strict=True):
        host = re.sub(r"[^0-9A-Za-z.-]", "-", host_of(device.address))
        if count[name] > 1 or not name:
            name = f"{name[:20] or 'camera'}-{host}"[:60]  # noqa: PLW2901 - the same name, longer
        told[name] += 1
        # several behind one host, by their ports
        found.append(name if told[name] == 1 else f"{name}-{told[name]}")
    return found


def _about(camera: Camera, *, hidden: bool) -> list[str]:
    others = [str(profile) for profile in camera.profiles if profile is not camera.watch]
    lines = [f"{camera.device}", f"watched: {camera.watch}"]
    if others:
        lines.append(f"not watched: {'; '.join(others)}")
    lines += [f"advice: {line}" for line in advice(camera.watch)]
    if camera.elsewhere:
        lines.append(f"the camera names {camera.elsewhere} as its host; here stands what answered")
    if hidden:
        lines.append(HIDDEN)
    return [scrub(line) for line in lines]


def _fit(text: str) -> str:
    """`text` as a camera's name, which becomes a topic level and a file name; empty: nothing is."""
    name = re.sub(r"[^\w.-]+", "-", text.lower()).strip("-.")[:40]
    return name if re.match(NAME_PATTERN, name) else ""
