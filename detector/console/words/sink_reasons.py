"""Reasons why a sink does not deliver, in Korean; read as `reasons.py` says."""

from __future__ import annotations

from typing import Final

_ANY: Final[dict[str, str]] = {
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

_SYSLOG: Final[dict[str, str]] = {
    "{any} is not known by that name": "{any} 이름을 알 수 없음",
    "check host, or the name server": "host나 네임 서버를 확인하세요",
    "{any} has a certificate that is not trusted": "{any} 인증서를 신뢰할 수 없음",
    "{any} fails at TLS ({why})": "{any} TLS 연결 실패 ({why})",
    "broken off": "연결이 끊어짐",
    "check tls, or write protocol: tcp if it speaks none": (
        "tls를 확인하거나, TLS를 쓰지 않으면 protocol: tcp로 쓰세요"
    ),
    "does that port speak TLS?": "TLS용 포트가 맞나요?",
    "it hung up while it took the alert": "알림을 받는 중에 연결을 끊음",
    "it takes the connection and hangs up": "연결을 받은 뒤 끊음",
    "does it want this machine, and the certificate in tls?": (
        "수신 측이 이 장비와 tls의 인증서를 허용하나요?"
    ),
    "the key has a pass phrase": "키에 암호가 걸려 있음",
    "remove it with openssl pkey -in KEY -out NEW": (
        "openssl pkey -in KEY -out NEW 명령으로 암호를 없애세요"
    ),
    "UDP does not say whether anything arrived": "UDP는 도착했는지 알려 주지 않음",
    "its machine has taken it, and syslog says no more": (
        "수신 장비가 받았고, syslog는 그 이상 알려 주지 않음"
    ),
    "look at the receiver": "수신 측에서 확인하세요",
    "certificate has expired": "인증서가 만료됨",
    "certificate is not yet valid": "인증서가 아직 유효하지 않음",
    "self-signed certificate": "자체 서명 인증서",
    "self-signed certificate in certificate chain": "인증서 체인에 자체 서명 인증서가 있음",
    "unable to get local issuer certificate": "인증서 발급 기관을 알 수 없음",
    "Hostname mismatch, certificate is not valid for {name}.": "{name} 이름의 인증서가 아님",
    "IP address mismatch, certificate is not valid for {name}.": "{name} 주소의 인증서가 아님",
}

_PROGRAMS: Final[dict[str, str]] = {
    "{any} did not end within {n} s": "{any} {n}초 안에 끝나지 않음",
    "{any} ended with {n}": "{any} 종료 코드 {n}",
    "{any} was ended by signal {n}": "{any} 신호 {n}번으로 종료됨",
    "siren command {name}": "사이렌 명령 {name}",
    "siren command {name} failed with code {n}": "사이렌 명령 {name} 실패, 종료 코드 {n}",
    "it said nothing": "남긴 메시지 없음",
    "MemoryError": "메모리 부족",
}

_RELAYS: Final[dict[str, str]] = {
    "relay on pin {name}": "핀 {name} 릴레이",
    "pin {name} cannot be claimed through {factory}": "핀 {name} 확보 실패 ({factory})",
    "pin {name} cannot be switched on through {factory}": "핀 {name} 켜기 실패 ({factory})",
    "pin {name} cannot be switched off through {factory}": "핀 {name} 끄기 실패 ({factory})",
    "No module named {name}": "{name} 모듈이 없음",
    "{why} is not switched on, for nothing could switch it off again": (
        "{why}: 다시 끌 수 없어 켜지 않음"
    ),
    "see TasksMax= and the memory": "TasksMax=와 메모리를 확인하세요",
}

SINKS: Final[dict[str, str]] = {**_ANY, **_BROKERS, **_SYSLOG, **_PROGRAMS, **_RELAYS}
"""By clause, as `reasons.KOREAN`."""
