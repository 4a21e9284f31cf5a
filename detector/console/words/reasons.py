"""Reasons that the daemon gives, in Korean.

They are English sentences that many places compose, so they are known by their wording: clause by
clause, what lies between `: ` and `; `. `{any}` stands for several words, `{why}` for another
clause, any other `{name}` for one word. What stands in parentheses behind a clause (a code, an
error of the system) stays as it is, as does a clause that is not in the list: that is read in
English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import cycle
from typing import Final

from detector.console.words import Language
from detector.console.words.cameras import WORDS

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

_SINKS: Final[dict[str, str]] = {
    "sink {any}": "수신처 {any}",
    "no connection within {n} s": "{n}초 안에 연결되지 않음",
    "check its address and the network": "주소와 네트워크를 확인하세요",
    "{any} cannot be reached": "{any} 연결 불가",
    "{any} did not answer within {n} s": "{any} {n}초 안에 응답 없음",
    "{any} did not answer in time": "{any} 제때 응답 없음",
    "{any} hung up without an answer": "{any} 응답 없이 연결을 끊음",
    "{any} did not take it": "{any} 알림을 받지 않음",
    "{any} answered HTTP {n}": "{any} HTTP {n} 응답",
    "{any} answered HTTP {n}, a redirect, which is not followed": (
        "{any} HTTP {n} 응답(리디렉션, 따라가지 않음)"
    ),
    "write where it leads into the url": "그 주소를 url에 쓰세요",
    "the alert is too large": "알림이 너무 큼",
    "it is too large": "너무 큼",
    "it is too long": "너무 긺",
    "finds the alert malformed": "알림 형식이 잘못되었다고 함",
    "cannot answer in a form that Jikimi accepts": "지킴이가 받는 형식으로 응답할 수 없음",
    "is in conflict with the alert": "알림과 충돌함",
    "wants a length, which the alert has": "알림에 있는 길이 정보를 요구함",
    "look at the proxies on the way": "중간의 프록시를 확인하세요",
    "does not take this form of it": "이 형식을 받지 않음",
    "check form": "form을 확인하세요",
    "cannot process the alert": "알림을 처리할 수 없음",
    "cannot process it": "처리할 수 없음",
    "takes no such picture": "이런 사진을 받지 않음",
    "finds it malformed": "형식이 잘못되었다고 함",
    "where all are refused, check chat, room or topic in the url": (
        "모두 거부되면 url의 대화방, 방, 주제를 확인하세요"
    ),
    "check bearer_token, signing_secret and the clock, or user and password in the url": (
        "bearer_token, signing_secret과 시계, 또는 url의 사용자와 비밀번호를 확인하세요"
    ),
    "check what the token or user may do there": "토큰이나 사용자의 권한을 확인하세요",
    "check what the user or token in the url may do there": (
        "url의 사용자나 토큰의 권한을 확인하세요"
    ),
    "check user, password or token in the url": "url의 사용자, 비밀번호, 토큰을 확인하세요",
    "check chat, room or topic in the url": "url의 대화방, 방, 주제를 확인하세요",
    "check host and port in the url": "url의 호스트와 포트를 확인하세요",
    "check scheme and port in the url": "url의 형식과 포트를 확인하세요",
    "check the path of the url": "url의 경로를 확인하세요",
    "takes no POST there": "그곳에서 POST를 받지 않음",
    "the proxy wants a user and password": "프록시가 사용자와 비밀번호를 요구함",
    "the address is gone": "주소가 없어짐",
    "get a new url from the receiver": "수신 측에서 새 url을 받으세요",
    "get a new url": "새 url을 받으세요",
    "it gets too many requests": "요청이 너무 많음",
    "it gets too many messages": "메시지가 너무 많음",
    "its name is not known": "이름을 알 수 없음",
    "check the url, or the name server": "url이나 네임 서버를 확인하세요",
    "its certificate is not trusted": "인증서를 신뢰할 수 없음",
    "no TLS": "TLS 아님",
    "if that port speaks none, write http: in the url": (
        "그 포트가 TLS가 아니면 url에 http:를 쓰세요"
    ),
    "it does not answer in HTTP": "HTTP 응답이 아님",
    "check the port in the url, or write https:": "url의 포트를 확인하거나 https:로 쓰세요",
    "no connection in time": "제때 연결되지 않음",
    "the mail server greets nobody now, or is none": "메일 서버가 응답 인사를 하지 않음",
    "the mail server refuses the user": "메일 서버가 사용자를 거부함",
    "the mail server refuses the sender": "메일 서버가 보낸 사람을 거부함",
    "the mail server refuses the address": "메일 서버가 받는 주소를 거부함",
    "the mail server knows no login": "메일 서버가 로그인을 지원하지 않음",
    "check user and password in the url": "url의 사용자와 비밀번호를 확인하세요",
    "check from= in the url": "url의 from=을 확인하세요",
    "check to= in the url": "url의 to=를 확인하세요",
    "take user and password out of the url": "url에서 사용자와 비밀번호를 빼세요",
    "the mail server answered {n}": "메일 서버 응답 {n}",
    "the mail server hung up": "메일 서버가 연결을 끊음",
    "it refuses the mail": "메일을 거부함",
    "Connection refused": "연결이 거부됨",
    "Network is unreachable": "네트워크에 닿을 수 없음",
    "No route to host": "호스트로 가는 경로 없음",
}

_BROKERS: Final[dict[str, str]] = {
    "broker {name}": "브로커 {name}",
    "broker {name} did not acknowledge the alert": "브로커 {name}: 알림 수신 확인이 없음",
    "broker {name} refused the alert to {topic}": "브로커 {name}: {topic} 알림을 거부함",
    "broker {name} hung up at the alert": "브로커 {name}: 알림 전송 중 연결을 끊음",
    "refused": "거부됨",
    "cannot be reached": "연결할 수 없음",
    "connection lost": "연결 끊김",
    "not connected": "연결되지 않음",
    "without a reason": "이유 없음",
    "does not answer any more": "더 이상 응답하지 않음",
    "it sent what is no MQTT {version}": "MQTT {version}이 아닌 것을 보냄",
    "takes the connection and does not answer": "연결은 받지만 응답하지 않음",
    "hangs up unasked": "이유 없이 연결을 끊음",
    "if that port is one for TLS, add tls:": "TLS용 포트라면 tls:를 추가하세요",
    "if the broker knows MQTT 3.1.1 alone, write protocol: 3.1.1": (
        "브로커가 MQTT 3.1.1만 지원하면 protocol: 3.1.1로 쓰세요"
    ),
    "does that port speak TLS? if not, take tls: out": "TLS용 포트가 아니라면 tls:를 빼세요",
    "{why}, 3 times or more right after it had accepted": "{why}, 연결 수락 직후 3번 이상",
    "the thread of its connection has ended": "연결 스레드가 끝남",
    "it is started anew": "다시 시작합니다",
    "the attempt before still waits for a name server": "이전 시도가 네임 서버를 기다리는 중",
    "does another client use client_id {name}, too?": (
        "다른 클라이언트도 client_id {name} 값을 쓰고 있나요?"
    ),
    "may this user publish to {topic}?": "이 사용자가 {topic}에 발행할 수 있나요?",
    "takes QoS 0 alone": "QoS 0만 지원함",
    "it acknowledges nothing, and alarms may be lost unseen": (
        "수신 확인이 없어 경보가 모르게 유실될 수 있음"
    ),
    "use a broker with QoS 1": "QoS 1을 지원하는 브로커를 쓰세요",
    "gives no reason": "이유를 밝히지 않음",
    "look at its log": "브로커 로그를 확인하세요",
    "calls a packet malformed": "패킷 형식이 잘못되었다고 함",
    "calls it a breach of the protocol": "프로토콜 위반이라고 함",
    "has a rule of its own against it": "브로커 자체 규칙에 어긋남",
    "does not speak this version of MQTT": "이 MQTT 버전을 지원하지 않음",
    "write protocol: 3.1.1, or 5": "protocol: 3.1.1 또는 5로 쓰세요",
    "does not accept the client_id": "client_id를 받지 않음",
    "choose another": "다른 값을 쓰세요",
    "bad user name or password": "사용자 이름 또는 비밀번호가 틀림",
    "check username and password": "username과 password를 확인하세요",
    "not authorised": "권한 없음",
    "check username, password and what its access list allows them": (
        "username, password와 브로커 접근 목록의 권한을 확인하세요"
    ),
    "is not available": "사용할 수 없음",
    "is busy": "바쁨",
    "has banned this client": "이 클라이언트를 차단함",
    "ask whoever runs it": "브로커 관리자에게 문의하세요",
    "is shutting down": "종료 중",
    "wants another way to authenticate, which Jikimi does not know": (
        "지킴이가 모르는 인증 방식을 요구함"
    ),
    "keep-alive timeout": "연결 유지 시간 초과",
    "nothing came through for too long": "오랫동안 통신 없음",
    "another client took over the session": "다른 클라이언트가 세션을 가져감",
    "give each client its own client_id": "클라이언트마다 다른 client_id를 쓰세요",
    "does not accept the topic filter": "토픽 필터를 받지 않음",
    "does not accept the topic": "토픽을 받지 않음",
    "check topic": "topic을 확인하세요",
    "has that packet identifier in use": "패킷 식별자가 이미 사용 중",
    "does not know that packet identifier": "모르는 패킷 식별자",
    "got more at once than it takes": "한 번에 받을 수 있는 양을 넘음",
    "does not accept the topic alias": "토픽 별칭을 받지 않음",
    "the packet is too large for it": "패킷이 너무 큼",
    "gets messages at too high a rate": "메시지가 너무 잦음",
    "a quota is exceeded": "할당량 초과",
    "an administrator closed the connection": "관리자가 연결을 끊음",
    "does not accept the format of the payload": "페이로드 형식을 받지 않음",
    "keeps no retained messages": "보존 메시지를 지원하지 않음",
    "takes no QoS 1": "QoS 1을 지원하지 않음",
    "use another broker for now": "지금은 다른 브로커를 쓰세요",
    "has moved": "옮겨 감",
    "check host": "host를 확인하세요",
    "gets too many connections": "연결이 너무 많음",
    "the longest time for a connection is over": "최대 연결 시간이 지남",
}

_REST: Final[dict[str, str]] = {
    "journal": "기록",
    "storage": "저장",
    "evidence": "증거",
    "overloaded": "과부하",
    "more views come than can be scored": "분석할 수 있는 것보다 화면이 많음",
    "cameras with an incident go first, the others are watched less often": (
        "사건이 있는 카메라를 먼저, 나머지는 덜 자주 감시합니다"
    ),
}

KOREAN: Final[dict[str, str]] = {**_CAMERAS, **_BOXES, **_SINKS, **_BROKERS, **_REST}
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
                named["why"] = _clause(why) or why
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
    words = dict.fromkeys(("any", "why"), "(?:(?!; |: ).)+?")
    return "".join(
        f"(?P<{part}>{words.get(part, '[^ ]+')})" if is_gap else re.escape(part)
        for part, is_gap in zip(parts, cycle((False, True)), strict=False)
    )
