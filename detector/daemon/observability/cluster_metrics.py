"""Metrics of the cluster that this box is in, as its coordinator has last told it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from alerts.metric_families import PREFIX

CUT_OFF_AFTER_S = 15.0
"""A box hears of its coordinator twice a second, and writes every 5 s."""


class ClusterMetrics(Collector):
    """A collector for a registry; has nothing to tell of a box by itself."""

    def __init__(self, read: Callable[[], Any]) -> None:
        """`read`: see `ClusterFile.read`."""
        self._read = read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What holds now; of a box that is cut off, only that it is."""
        with suppress(KeyError, TypeError):
            found = self._read()
            yield from _families(found, time.monotonic() - found["at_s"] <= CUT_OFF_AFTER_S)


def _families(found: dict[str, Any], connected: bool) -> list[GaugeMetricFamily]:
    def gauge(name: str, text: str, **values: Any) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"{PREFIX}cluster_{name}", text, **values)

    box = gauge("box", "Name of this box in its cluster; always 1", labels=["box"])
    box.add_metric([str(found["box"])], 1)
    link = gauge("connected", "1 while this box hears of its coordinator", value=int(connected))
    if not connected:
        return [box, link]
    boxes = gauge("boxes", "Boxes of the cluster, by state", labels=["state"])
    for state, number in found["boxes"].items():
        boxes.add_metric([state], number)
    return [
        box,
        link,
        boxes,
        gauge("cameras_unassigned", "Cameras that no box can watch", value=found["unassigned"]),
        gauge(
            "head_room",
            "1 while the cameras of any one box would fit on the others",
            value=int(found["head_room"]),
        ),
        gauge(
            "load_without_one",
            "Share of its capacity that the fullest box would need, were the worst one lost",
            value=found["load"],
        ),
    ]
