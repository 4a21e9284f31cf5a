"""Bodies of the rendered demo scenes: from a motion to the joints of a human figure.

Positions are metres in the yard's frame: x to the right, y up, z away from the camera's foot.
What people do is told by `choreography`; they are drawn by `yard`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CYCLE_S = 60.0
"""The scene starts over after so long; whoever walks has left the picture by then."""
POSES_HZ = 50
"""Poses a second; a punch takes about 0.25 s, and the renderer interpolates."""
POSES = int(CYCLE_S * POSES_HZ) + 1
TIMES_S = np.arange(POSES) / POSES_HZ

PELVIS, NECK, HEAD = 0, 1, 2
SHOULDER, ELBOW, HAND = (3, 4), (5, 6), (7, 8)
HIP, KNEE, ANKLE, TOE = (9, 10), (11, 12), (13, 14), (15, 16)
JOINTS = 17
SIDES = (-1.0, 1.0)  # left, right: the index of every joint pair above

# Segment lengths as parts of a body's height (Winter, Biomechanics and Motor Control).
_THIGH, _SHANK, _TORSO = 0.245, 0.246, 0.288
_UPPER_ARM, _FOREARM = 0.186, 0.19
_SHOULDER_HALF, _HIP_HALF, _FOOT = 0.122, 0.06, 0.11


@dataclass(frozen=True)
class Look:
    """What somebody wears: greys of 0…255, and body height in metres."""

    height: float
    top: int
    trousers: int
    hair: int
    skin: int = 150
    stripe: int | None = None


@dataclass(frozen=True, eq=False)
class Figure:
    """One person through a cycle: `joints` is [n, 17, 3], metres, at 50 poses a second."""

    look: Look
    joints: Floats


def joints_at(figure: Figure, t_s: float) -> Floats:
    """The joints of `figure` [17, 3] at `t_s` seconds into the cycle, interpolated."""
    place = min(max(t_s, 0.0), CYCLE_S) * POSES_HZ
    row = min(int(place), POSES - 2)
    part = place - row
    mixed: Floats = figure.joints[row] * (1 - part) + figure.joints[row + 1] * part
    return mixed


@dataclass(eq=False)
class Body:
    """Motion of one body before its limbs are solved; every array is [n] or [n, …].

    Not frozen: a brawl is laid over the walk to it and away, array by array.
    """

    look: Look
    ground: Floats  # [n, 2]: x, z of the pelvis
    yaw: Floats  # where the hips face; 0 is away from the camera
    lean: Floats  # forwards, radians
    roll: Floats  # to the right
    twist: Floats  # shoulders against hips
    crouch: Floats  # metres
    reach: Floats  # [n, 2]: 0, the arm hangs and swings; 1, the hand is at its target
    hands: Floats  # [n, 2, 3] targets
    kick: Floats  # [n, 2]: weight of the foot's target
    feet: Floats  # [n, 2, 3] targets
    nod: Floats  # [n, 3] shift of the head

    @classmethod
    def at_ease(cls, look: Look, ground: Floats, yaw: Floats) -> Body:
        """A body that walks or stands on `ground` [n, 2], facing `yaw` [n]."""
        still, aim = np.zeros((4, POSES)), np.zeros((3, POSES, 2, 3))
        weight = np.zeros((2, POSES, 2))
        return cls(
            look,
            ground,
            yaw,
            lean=still[0] + 0.05,
            roll=still[1],
            twist=still[2],
            crouch=still[3],
            reach=weight[0],
            hands=aim[0],
            kick=weight[1],
            feet=aim[1],
            nod=aim[2, :, 0],
        )


def smooth(values: Floats, seconds: float) -> Floats:
    """`values` [n, …] averaged twice over `seconds`: rounds corners, keeps the ends."""
    width = max(1, round(seconds * POSES_HZ / 2)) * 2 + 1
    flat = values.reshape(len(values), -1)
    for _ in range(2):
        padded = np.pad(flat, ((width // 2 + 1, width // 2), (0, 0)), mode="edge")
        total = np.cumsum(padded, axis=0)
        flat = (total[width:] - total[:-width]) / width
    return flat.reshape(values.shape)


def headings(angle: Floats) -> tuple[Floats, Floats]:
    """Forward and right unit vectors [n, 3] of a heading."""
    sin, cos, zero = np.sin(angle), np.cos(angle), np.zeros_like(angle)
    return np.stack([sin, zero, cos], -1), np.stack([cos, zero, -sin], -1)


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-6))


def _across(vectors: Floats, along: Floats) -> Floats:
    """The part of `vectors` at right angles to the unit vectors `along`, as unit vectors."""
    return _unit(vectors - np.sum(vectors * along, -1, keepdims=True) * along)


def _two_bones(
    start: Floats, target: Floats, pole: Floats, first: float, second: float
) -> tuple[Floats, Floats]:
    """Middle and end [n, 3] of a limb that reaches for `target` and bends towards `pole`."""
    along = target - start
    far = (first + second) * 0.998
    length = np.clip(np.linalg.norm(along, axis=-1, keepdims=True), 0.3 * far, far)
    along = _unit(along)
    # A limb that points along its pole would snap over; no elbow turns within a frame.
    side = smooth(_across(pole, along), 0.12)
    side = _across(side, along)
    part = (first**2 - second**2 + length**2) / (2 * length)
    height = np.sqrt(np.maximum(first**2 - part**2, 0))
    return start + along * part + side * height, start + along * length


def _steps(body: Body) -> Floats:
    """Feet [n, 2, 3] that stand still until the body has left them behind, then step."""
    speed: Floats = np.asarray(np.gradient(body.ground, 1 / POSES_HZ, axis=0))
    _, right = headings(body.yaw)
    scale = body.look.height / 1.75
    spots: list[list[list[float]]] = [
        (body.ground + side * 0.1 * scale * right[:, ::2]).tolist() for side in SIDES
    ]
    speeds: list[list[float]] = speed.tolist()
    fast = [math.hypot(x, z) for x, z in speeds]
    feet = np.zeros((POSES, 2, 3))
    place: list[list[float]] = [list(spots[0][0]), list(spots[1][0])]
    swing: int | None = None
    begun, lasts, origin = 0, 1, [0.0, 0.0]
    for i in range(POSES):
        if swing is None:
            gaps = [math.dist(spots[k][i], place[k]) for k in (0, 1)]
            worst = 0 if gaps[0] > gaps[1] else 1
            if gaps[worst] > 0.1 + 0.13 * min(fast[i], 1.5):
                swing, begun, origin = worst, i, place[worst]
                lasts = round(POSES_HZ * (0.4 if fast[i] > 0.7 else 0.3))
        if swing is not None:
            done = (i - begun) / lasts
            lead = (1 - done) * lasts / POSES_HZ + 0.2
            goal = [spots[swing][i][a] + speeds[i][a] * lead for a in (0, 1)]
            ease = done * done * (3 - 2 * done)
            place[swing] = [origin[a] + (goal[a] - origin[a]) * ease for a in (0, 1)]
            feet[i, swing, 1] = 0.13 * scale * math.sin(math.pi * min(done, 1.0))
            if done >= 1:
                swing = None
        for k in (0, 1):
            feet[i, k, 0], feet[i, k, 2] = place[k]
    feet[:, :, 1] += 0.07 * scale
    return smooth(feet, 0.04)


def solve(body: Body) -> Figure:
    """Every joint of a body from its motion."""
    tall = body.look.height
    up = np.array([0.0, 1.0, 0.0])
    forward, right = headings(body.yaw)
    chest_forward, chest_right = headings(body.yaw + body.twist)
    feet = _steps(body)
    feet += body.kick[..., None] * (body.feet - feet)
    pelvis = np.stack([body.ground[:, 0], np.zeros(POSES), body.ground[:, 1]], -1)
    leg = (_THIGH + _SHANK) * tall
    # The hips ride mostly on the foot below them; the other's heel comes off the ground.
    heights: list[Floats] = []
    for k in (0, 1):
        apart = np.linalg.norm(feet[:, k, ::2] - pelvis[:, ::2], axis=-1)
        heights.append(feet[:, k, 1] + np.sqrt(np.maximum(leg**2 - apart**2, (0.6 * leg) ** 2)))
    low = np.minimum(heights[0], heights[1])
    high = np.minimum(np.maximum(heights[0], heights[1]), leg + 0.06 * tall)
    pelvis[:, 1] = smooth(0.35 * low + 0.65 * high - 0.01 - body.crouch, 0.08)
    spine = _unit(up + forward * np.tan(body.lean)[:, None] + right * np.tan(body.roll)[:, None])
    joints = np.empty((POSES, JOINTS, 3))
    joints[:, PELVIS] = pelvis
    neck = joints[:, NECK] = pelvis + spine * _TORSO * tall
    joints[:, HEAD] = neck + _unit(spine + up) * 0.105 * tall + body.nod
    for k, side in enumerate(SIDES):
        hip = joints[:, HIP[k]] = pelvis + side * _HIP_HALF * tall * right
        joints[:, KNEE[k]], ankle = _two_bones(
            hip, feet[:, k], forward + 0.15 * side * right, _THIGH * tall, _SHANK * tall
        )
        joints[:, ANKLE[k]] = ankle
        joints[:, TOE[k]] = ankle + forward * _FOOT * tall
        joints[:, TOE[k], 1] = np.maximum(ankle[:, 1] - 0.07 * tall, 0.02)
        shoulder = neck + side * _SHOULDER_HALF * tall * chest_right - 0.02 * tall * up
        joints[:, SHOULDER[k]] = shoulder
        # An arm swings against the leg of its own side.
        ahead = np.sum((feet[:, k] - pelvis) * forward, -1) / (0.45 * tall)
        swing = (-0.7 * ahead)[:, None]
        hang = -up * np.cos(swing) + chest_forward * np.sin(swing) + 0.06 * side * chest_right
        hang = shoulder + _unit(hang) * (_UPPER_ARM + _FOREARM) * 0.97 * tall
        used = body.reach[:, k, None]
        target = hang + used * (body.hands[:, k] - hang)
        # Hanging elbows point backwards, working ones down and out.
        pole = -0.5 * up - (1 - 0.5 * used) * chest_forward
        pole += (0.15 + 0.45 * used) * side * chest_right
        joints[:, ELBOW[k]], joints[:, HAND[k]] = _two_bones(
            shoulder, target, pole, _UPPER_ARM * tall, _FOREARM * tall
        )
    return Figure(body.look, joints)
