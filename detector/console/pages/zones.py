"""Zones drawn over a camera's picture: where motion counts, and where it never does."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from config.errors import ControlError
from config.settings import Polygon
from detector.console.access.user import Role
from detector.console.monitor import Zones
from detector.console.pages.seeing import seen_camera, shown, user_of
from detector.console.rendering import render
from detector.console.routing import GuardedRoute
from detector.motion.greys import GREY_SIDE
from detector.motion.view import zone_mask

MAX_BYTES = 1 << 18
"""Of a request: 64 zones of 64 corners take 160 kB."""

MOST = 32
"""Zones of a kind."""

DARK = 150
"""How much the preview darkens, of 255, where motion does not count."""

UNKNOWN = (180, 320)
"""Height and width of the mask of a camera that has given no picture yet."""


class Drawn(BaseModel):
    """What a page sends."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    watch: list[Polygon] = Field(default=[], max_length=MOST)
    ignore: list[Polygon] = Field(default=[], max_length=MOST)


def routes() -> list[GuardedRoute]:
    """For those who may draw."""
    post = ("POST",)
    at = "/camera/{name}/zones"
    return [
        GuardedRoute(at, zones, role=Role.ADMIN),
        GuardedRoute(at, save, role=Role.ADMIN, methods=post),
        GuardedRoute(f"{at}/preview", preview, role=Role.ADMIN, methods=post),
        GuardedRoute(f"{at}/remove", remove, role=Role.ADMIN, methods=post),
    ]


async def zones(request: Request) -> Response:
    """The page to draw on."""
    return await run_in_threadpool(_page, request)


async def preview(request: Request) -> Response:
    """What the zones cover, as the motion view has it: a picture, the share, and the YAML."""
    drawn = await _drawn(request)
    return JSONResponse(await run_in_threadpool(_preview, request, drawn))


async def save(request: Request) -> Response:
    """Go by what was drawn; 409 with the reason where that is refused."""
    drawn = await _drawn(request)
    refused = await run_in_threadpool(_set, request, Zones(drawn.watch, drawn.ignore))
    if refused:
        return JSONResponse({"error": refused}, 409)
    return JSONResponse({"saved": True})


async def remove(request: Request) -> Response:
    """Go by the configuration again."""
    refused = await run_in_threadpool(_set, request, None)
    if refused:
        return await run_in_threadpool(_page, request, refused)
    return RedirectResponse(f"/camera/{quote(request.path_params['name'])}/zones", 303)


def as_yaml(watch: list[Polygon], ignore: list[Polygon]) -> str:
    """What stands under a camera in the configuration for the same zones: one a line."""
    lines = ["detection:"]
    for key, polygons in (("watch", watch), ("ignore", ignore)):
        lines.append(f"  {key}:" if polygons else f"  {key}: []")
        for polygon in polygons:
            corners = ", ".join(f"[{round(x, 4):g}, {round(y, 4):g}]" for x, y in polygon)
            lines.append(f"    - [{corners}]")
    return "\n".join([*lines, ""])


async def _drawn(request: Request) -> Drawn:
    """What was sent; HTTPException 413 where it is too much, 422 where it is no zones."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BYTES:
            raise HTTPException(413)
    try:
        return Drawn.model_validate_json(bytes(body))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise HTTPException(422, f"no zones: {first['msg']}") from None


def _page(request: Request, refused: str = "") -> Response:
    view = seen_camera(request)
    found = _zones(request, view.name)
    return render(
        request,
        "zones.html",
        409 if refused else 200,
        refused=refused,
        view=view,
        tile=shown(request, view),
        zones=found,
        drawn={"watch": found.watch, "ignore": found.ignore},
        yaml=as_yaml(found.watch, found.ignore),
    )


def _zones(request: Request, name: str) -> Zones:
    try:
        found: Zones = request.app.state.monitor.zones(name)
    except ControlError:
        raise HTTPException(404) from None
    return found


def _set(request: Request, drawn: Zones | None) -> str:
    """Why it is refused; empty where it is not."""
    view = seen_camera(request)
    try:
        request.app.state.monitor.set_zones(view.name, drawn, user_of(request).name)
    except ControlError as error:
        return str(error)
    return ""


def _preview(request: Request, drawn: Drawn) -> dict[str, Any]:
    view = seen_camera(request)
    height, width = _grey_shape(request, view.name)
    mask = zone_mask(height, width, drawn.watch, drawn.ignore)
    veil = np.zeros((height, width, 4), np.uint8)
    veil[..., 3] = np.where(mask > 0, 0, DARK)
    _, png = cv2.imencode(".png", veil)
    return {
        "mask": f"data:image/png;base64,{base64.b64encode(png.tobytes()).decode()}",
        "share": round(float(np.mean(mask > 0)), 4),
        "yaml": as_yaml(drawn.watch, drawn.ignore),
    }


def _grey_shape(request: Request, name: str) -> tuple[int, int]:
    """Height and width of the camera's greys: those of a picture brought to the same side."""
    try:
        picture = request.app.state.monitor.picture(name, GREY_SIDE)
    except ControlError:
        raise HTTPException(404) from None
    if picture is None:
        return UNKNOWN
    grey = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    return UNKNOWN if grey is None else (grey.shape[0], grey.shape[1])
