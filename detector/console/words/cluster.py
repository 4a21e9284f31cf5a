"""Words of *Boxes*; their keys begin with `boxes.`."""

from __future__ import annotations

from typing import Final

WORDS: Final[dict[str, tuple[str, str]]] = {
    "boxes.untold": (
        "The coordinator has not told this box yet which box watches what.",
        "코디네이터가 장비별 담당 카메라를 아직 알려 주지 않았습니다.",
    ),
    "boxes.told": ("As the coordinator had it {time} ago.", "{time} 전 코디네이터 기준."),
    "boxes.cut_off": (
        (
            "The coordinator was last heard {time} ago; what follows held then. This box goes on "
            "watching what it had."
        ),
        (
            "코디네이터의 마지막 소식은 {time} 전입니다. 아래는 그때의 상태이며, "
            "이 장비는 맡은 카메라를 계속 감시합니다."
        ),
    ),
    "boxes.unwatched": ("Cameras that nobody watches: {n}", "감시되지 않는 카메라: {n}대"),
    "boxes.all_watched": ("Every camera has a box.", "모든 카메라에 담당 장비가 있습니다."),
    "boxes.unknown": (
        "Sinks that name a box which has not joined",
        "참여하지 않은 장비를 지정한 수신처",
    ),
    "boxes.unknown_box": (
        "{sink}: no box called {box} has joined; start it, or correct box: in the configuration.",
        (
            "{sink}: 이름이 {box}인 장비가 참여하지 않았습니다. "
            "그 장비를 시작하거나 설정의 box:를 고치세요."
        ),
    ),
    "boxes.may_die": (
        "Any one box may die: the others have room for its cameras.",
        "어느 장비든 한 대가 멈춰도 나머지가 그 카메라를 모두 맡을 수 있습니다.",
    ),
    "boxes.may_not_die": ("Not every box may die", "멈추면 안 되는 장비가 있습니다"),
    "boxes.loss_unwatched": (
        "Without {box} nobody would watch {n} cameras.",
        "{box} 장비가 멈추면 카메라 {n}대를 감시할 장비가 없습니다.",
    ),
    "boxes.loss_load": (
        "Without {box} another would have {load} of its room taken, too much for busy scenes.",
        "{box} 장비가 멈추면 다른 장비의 사용률이 {load}가 되어 혼잡한 장면에 부족합니다.",
    ),
    "boxes.box": ("Box", "장비"),
    "boxes.own": ("this one", "현재 장비"),
    "boxes.state": ("State", "상태"),
    "boxes.state_works": ("works", "정상"),
    "boxes.state_draining": ("gives its cameras away", "카메라를 넘기는 중"),
    "boxes.state_empty": ("drained, may be stopped", "비어 있음, 중지 가능"),
    "boxes.state_stopped": ("drained and stopped", "비운 뒤 중지됨"),
    "boxes.state_dead": ("dead", "응답 없음"),
    "boxes.room": ("Room taken", "사용률"),
    "boxes.sites": ("Sites", "구역"),
    "boxes.cameras": ("Cameras", "카메라"),
    "boxes.live": ("{live} of {all} live", "{all}대 중 {live}대 정상"),
    "boxes.not_live": ("not live", "정상 아님"),
    "boxes.no_cameras": ("none", "없음"),
    "boxes.drain": (
        "To empty a box before it is stopped, run on any of them:",
        "장비를 중지하기 전에 비우려면 아무 장비에서나 실행하세요:",
    ),
}
