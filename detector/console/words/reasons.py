"""Reasons that the daemon gives, in Korean.

They are English sentences that many places compose, so they are known by their wording: clause by
clause, what lies between `: ` and `; `. `{any}` stands for several words, `{why}` for clauses, any
other `{name}` for one word. What stands in parentheses behind a clause (a code, an error of the
system) stays as it is, as does a clause that is not in the list: that is read in English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import cycle
from typing import Final

from detector.console.words import Language
from detector.console.words.cameras import WORDS
from detector.console.words.sink_reasons import SINKS
from detector.console.words.storage_reasons import STORAGE

_STATES: Final = ("connecting", "unwatched", "stalled", "unauthorised", "offline")

_CAMERAS: Final[dict[str, str]] = {
    **{
        f"camera {{any}} is {state}": "카메라 {any} " + WORDS[f"camera.state_{state}"][1]
        for state in _STATES
    },
    **{f"camera {state}": f"카메라 {WORDS[f'camera.state_{state}'][1]}" for state in _STATES},
    "camera removed or changed": "카메라 삭제 또는 변경",
    "zones changed": "구역 변경",
    "monitor stopped": "감시 중지",
    "monitor restarted": "감시 재시작",
    "watched by {name} from now on": "이제부터 {name} 장비가 감시",
    "user name or password refused": "사용자 이름 또는 비밀번호가 거부됨",
    "check them in the camera's own web page, and that the account may view video": (
        "카메라 웹 페이지에서 확인하고, 계정에 영상 보기 권한이 있는지 확인하세요"
    ),
    "the camera forbids it": "카메라가 접근을 금지함",
    (
        "check that the account may view video, and that the camera lets in the address of this "
        "machine"
    ): "계정의 영상 보기 권한과, 카메라가 이 장비의 주소를 허용하는지 확인하세요",
    "its codec is not supported": "지원하지 않는 코덱",
    "set the camera to H.264": "카메라를 H.264로 설정하세요",
    "convert it to H.264": "H.264로 변환하세요",
    "the camera has too many viewers": "카메라에 접속한 사용자가 너무 많음",
    "close others, or restart the camera": "다른 접속을 끊거나 카메라를 재시작하세요",
    "close other viewers": "다른 접속을 끊으세요",
    "close other viewers, or restart it": "다른 접속을 끊거나 카메라를 재시작하세요",
    "the camera has no such stream": "카메라에 그런 스트림이 없음",
    "the camera did not understand the request": "카메라가 요청을 이해하지 못함",
    "check the path": "경로를 확인하세요",
    "the camera reports a fault of its own": "카메라 자체 오류",
    "restart it if this lasts": "계속되면 재시작하세요",
    "the camera is asked too often": "카메라에 요청이 너무 잦음",
    "the camera refused the request": "카메라가 요청을 거부함",
    "check path and port, and whether others view it": (
        "경로와 포트, 다른 접속이 있는지 확인하세요"
    ),
    "connection refused": "연결이 거부됨",
    "check that the camera is on, and the port": "카메라 전원과 포트를 확인하세요",
    "the camera closed the connection": "카메라가 연결을 끊음",
    "no such file": "파일이 없음",
    "no such file, or write rtsp://… for a camera": "파일이 없음(카메라라면 rtsp://…로 쓰세요)",
    "check its path": "경로를 확인하세요",
    "check its path, or write rtsp://… for a camera": (
        "경로를 확인하세요. 카메라라면 rtsp://…로 쓰세요"
    ),
    "is a folder, not a video": "영상이 아니라 폴더임",
    "may not be read": "읽을 권한이 없음",
    "check the permissions": "권한을 확인하세요",
    "what comes from there is no video": "받은 것이 영상이 아님",
    "check address, port and path": "주소, 포트, 경로를 확인하세요",
    "this kind of address is not supported": "지원하지 않는 주소 형식",
    "holds no video": "영상이 없음",
    "it is empty or cut off at its beginning": "비어 있거나 앞부분이 잘림",
    "holds no video, or only part of one": "영상이 없거나 일부만 있음",
    "the camera lost the connection's session": "카메라가 연결 세션을 잃음",
    "the camera cannot play this stream now": "카메라가 지금 이 스트림을 재생할 수 없음",
    "the camera is overloaded": "카메라 과부하",
    "the camera lacks what is asked for": "카메라에 없는 기능이 요청됨",
    "update its firmware": "펌웨어를 업데이트하세요",
    "no answer": "응답 없음",
    "no answer within {n} s": "{n}초 안에 응답 없음",
    "check the address, the cable and firewalls": "주소, 케이블, 방화벽을 확인하세요",
    "host name not found": "호스트 이름을 찾을 수 없음",
    "check its spelling and the DNS server": "철자와 DNS 서버를 확인하세요",
    "most cameras send their video at rtsp://…, port 554": (
        "카메라 영상은 대개 rtsp://…, 포트 554입니다"
    ),
    "rtsps:// goes through the proxy that http_proxy names": (
        "rtsps://는 http_proxy의 프록시를 거칩니다"
    ),
    "write the camera's address into no_proxy": "카메라 주소를 no_proxy에 쓰세요",
    "nothing received for {n} s": "{n}초 동안 받은 데이터 없음",
    "its pictures of {size} are larger than 40 megapixels, which are not decoded": (
        "화면({size})이 40메가픽셀보다 커서 디코딩하지 않음"
    ),
    "make them smaller": "화면을 줄이세요",
    "use the camera's sub-stream": "카메라의 보조 스트림을 쓰세요",
    "the camera sends every request on to another address, in a circle": (
        "카메라가 모든 요청을 다른 주소로 돌려보냄(순환)"
    ),
    "check the path, and what the camera redirects to": (
        "경로와 카메라의 리디렉션 설정을 확인하세요"
    ),
    "the camera does not send by {transport}": "카메라가 {transport}로 보내지 않음",
    "set transport: {transport}": "transport: {transport}로 설정하세요",
    "the camera asks for a log-in by {any}, which is not supported": (
        "카메라가 지원하지 않는 로그인 방식({any})을 요구함"
    ),
    "set its authentication to MD5 digest": "카메라 인증을 MD5 digest로 설정하세요",
    "the camera refused the log-in by {any}": "카메라가 로그인({any})을 거부함",
    "check user name and password, or set its authentication to MD5 digest": (
        "사용자 이름과 비밀번호를 확인하거나 카메라 인증을 MD5 digest로 설정하세요"
    ),
    "cannot be read": "읽을 수 없음",
    "check the disk or the network folder it lies on": "디스크나 네트워크 폴더를 확인하세요",
    "no connection came about": "연결되지 않음",
    "no connection came about, or it leads in a circle": "연결되지 않거나 주소가 순환함",
    "check scheme, address, port and path": "주소 형식, 주소, 포트, 경로를 확인하세요",
    "an internal error": "내부 오류",
    "see the log": "로그를 확인하세요",
    "sends no video": "영상을 보내지 않음",
    "check which stream the path names": "경로가 가리키는 스트림을 확인하세요",
    "sends data, but no picture could be decoded": "데이터는 오지만 화면을 디코딩할 수 없음",
    "sends data, but no picture could be decoded for {n} s": (
        "데이터는 오지만 {n}초 동안 화면을 디코딩할 수 없음"
    ),
    "damaged, or larger than 40 megapixels": "손상되었거나 40메가픽셀보다 큼",
    "check its codec settings": "코덱 설정을 확인하세요",
    "the stream ended before anything could be seen": "화면이 보이기 전에 스트림이 끝남",
    "check that the address is that of a video, and how many viewers the camera allows": (
        "영상의 주소인지, 카메라가 허용하는 접속 수를 확인하세요"
    ),
    "the stream ended": "스트림이 끝남",
    "gives no picture any more": "더 이상 화면을 보내지 않음",
    "check its cable": "케이블을 확인하세요",
    "no such device": "장치가 없음",
    "check that the camera is plugged in": "카메라가 연결되어 있는지 확인하세요",
    "cannot be opened as a camera": "카메라로 열 수 없음",
    "check that nothing else uses it, and that the user is in the group video": (
        "다른 프로그램이 쓰고 있지 않은지, 사용자가 video 그룹에 있는지 확인하세요"
    ),
    "only {n} pictures a second come whole, and at least {m} are needed to see a fight": (
        "온전한 화면이 초당 {n}장뿐이며 싸움을 보려면 {m}장 이상이 필요함"
    ),
    "set 10 or more in the camera": "카메라에서 10 이상으로 설정하세요",
    "its pictures come in bursts, too late to be scored": "화면이 몰려서 늦게 와 분석할 수 없음",
    "use its RTSP stream, or the shortest segments it offers": (
        "RTSP 스트림이나 가장 짧은 세그먼트를 쓰세요"
    ),
    "its pictures come, but hardly one is scored": "화면은 오지만 거의 분석되지 않음",
    "see the log, and whether they keep their size and come without gaps": (
        "로그와, 화면 크기가 일정하고 끊김이 없는지 확인하세요"
    ),
}

_BOXES: Final[dict[str, str]] = {
    "no box reaches site {any}": "구역 {any}에 닿는 장비가 없음",
    "every box that reaches it is dead": "닿는 장비가 모두 응답하지 않음",
    "every box that reaches it is dead or draining": ("닿는 장비가 모두 응답하지 않거나 비우는 중"),
    "no box that reaches it has room": "닿는 장비에 모두 여유가 없음",
    "it is not given to a box yet": "아직 장비에 배정되지 않음",
    "its box is dead": "담당 장비가 응답하지 않음",
    "no box {name} was ever heard of": "{name} 장비의 소식이 한 번도 없음",
    "is one of the cluster called so, and does its daemon run?": (
        "그 이름의 장비가 클러스터에 있고 데몬이 실행 중인가요?"
    ),
    "box {name} was last heard of {n} s ago": "{name} 장비의 마지막 소식은 {n}초 전",
    "box {name} is not reached": "{name} 장비에 연결되지 않음",
    "box {name} does not answer": "{name} 장비가 응답하지 않음",
    "box {name}": "{name} 장비",
    "the journal does not answer": "기록 서버가 응답하지 않음",
    "boxes reach each other over a journal that all share": "장비들은 공유하는 기록을 통해 연결됨",
    "state journal: url:": "설정에 journal: url:을 쓰세요",
    "no sink {any} hangs on it by its configuration": "그 장비의 설정에 수신처 {any} 없음",
}

_REST: Final[dict[str, str]] = {
    "overloaded": "과부하",
    "more views come than can be scored": "분석할 수 있는 것보다 화면이 많음",
    "cameras with an incident go first, the others are watched less often": (
        "사건이 있는 카메라를 먼저, 나머지는 덜 자주 감시합니다"
    ),
}

KOREAN: Final[dict[str, str]] = {**_CAMERAS, **_BOXES, **SINKS, **STORAGE, **_REST}
"""By clause, in English as the daemon has it."""


@lru_cache(maxsize=1024)
def said(reason: str, language: Language) -> str:
    """`reason` in `language`, as far as its clauses are known."""
    return reason if language == "en" else "".join(_korean(reason))


def _korean(reason: str) -> Iterator[str]:
    if (known := _clause(reason)) is not None:
        yield known
        return
    for mark in ("; ", ": "):
        head, found, rest = reason.partition(mark)
        if found:
            yield from _korean(head)
            yield mark
            yield from _korean(rest)
            return
    yield reason


def _clause(text: str) -> str | None:
    """One clause, with what follows in parentheses; None where it is not known."""
    for pattern, korean in _patterns():
        if found := pattern.fullmatch(text):
            named = found.groupdict()
            if why := named.get("why"):
                named["why"] = "".join(_korean(why))
            return korean.format(**named)
    bare, opening, aside = text.partition(" (")
    is_aside = aside.endswith(")") and "); " not in aside
    known = _clause(bare) if is_aside else None
    return known and known + opening + aside


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Those without a gap first, then those with the most text of their own."""
    found = sorted(KOREAN.items(), key=lambda pair: ("{" in pair[0], -len(pair[0])))
    return [(re.compile(_gapped(english)), korean) for english, korean in found]


def _gapped(english: str) -> str:
    parts = re.split(r"\{(\w+)\}", english)
    words = {"any": "(?:(?!; |: ).)+?", "why": ".+?"}
    return "".join(
        f"(?P<{part}>{words.get(part, '[^ ]+')})" if is_gap else re.escape(part)
        for part, is_gap in zip(parts, cycle((False, True)), strict=False)
    )
