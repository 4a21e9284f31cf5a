"""A cluster of three boxes, as the console is told of it."""

from __future__ import annotations

from dataclasses import replace

from detector.console.cluster.view import (
    BoxView,
    ClusterView,
    LossView,
    SharedCamera,
    UnwatchedCamera,
)

WHOLE = ClusterView(
    box="north",
    age_s=4.0,
    cut_off=False,
    boxes=(
        BoxView(
            "north",
            "works",
            3 * 3600,
            ("harbour", "yard"),
            0.42,
            (SharedCamera("gate", "harbour", True), SharedCamera("yard", "yard", True)),
            "10.0.0.1:8780",
        ),
        BoxView(
            "south",
            "draining",
            90,
            (),
            0.81,
            (SharedCamera("북문 <1>", "harbour", True), SharedCamera("plaza", "town", False)),
            "10.0.0.2:8780",
        ),
        BoxView("west", "dead", 200, ("mill",), 0.0, (), "10.0.0.3:8780"),
    ),
    unwatched=(
        UnwatchedCamera("mill-1", "mill", "every box that reaches it is dead: west"),
        UnwatchedCamera("mill-2", "mill", "every box that reaches it is dead: west"),
    ),
    loss=LossView(False, "north", 0.95, {"south": 12}),
    unknown_boxes={"quay-siren": "habour"},
)
"""The console's own is `north`; `west` is dead, and its site's two cameras are unwatched."""

CALM = replace(WHOLE, unwatched=(), loss=LossView(True, "south", 0.6, {}), unknown_boxes={})
