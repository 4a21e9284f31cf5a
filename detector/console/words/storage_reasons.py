"""What is wrong with what is kept, on disk or in a database, in Korean; as `reasons.py` says."""

from __future__ import annotations

from typing import Final

_DISKS: Final[dict[str, str]] = {
    "storage": "저장",
    "outbox": "알림 대기열",
    "calibration": "기준 학습",
    "control": "제어 소켓",
    "zones": "구역",
    "the disk does not answer": "디스크가 응답하지 않음",
    "no thread can be started": "스레드를 시작할 수 없음",
    "{name} could not be used ({why}), kept as {kept}": (
        "{name} 사용 불가 ({why}), {kept} 이름으로 보관함"
    ),
    "{name} cannot be read ({why})": "{name} 읽을 수 없음 ({why})",
    "{n} message cannot be read and is kept aside": "읽을 수 없는 알림 {n}건을 따로 보관함",
    "{n} messages cannot be read and are kept aside": "읽을 수 없는 알림 {n}건을 따로 보관함",
    "log lines cannot be written ({why})": "로그를 쓸 수 없음 ({why})",
    "standard file is closed": "표준 출력이 닫혀 있음",
    "a directory is there": "그 자리에 디렉터리가 있음",
    "a FIFO is there": "그 자리에 FIFO가 있음",
    "a socket is there": "그 자리에 소켓이 있음",
    "a device is there": "그 자리에 장치가 있음",
    "a link to nowhere is there": "그 자리에 끊어진 링크가 있음",
    "a link to itself is there": "그 자리에 자신을 가리키는 링크가 있음",
    "no directory": "디렉터리가 아님",
    "no socket": "소켓이 아님",
    "{n} bytes": "{n}바이트",
    "it could not be read": "읽을 수 없었음",
    "removed or replaced while running": "실행 중에 삭제되거나 바뀜",
    "made by another version": "다른 버전이 만든 파일",
    "a database of another program": "다른 프로그램의 데이터베이스",
    "table {name} has no {any}": "{name} 테이블에 {any} 없음",
    "a row holds what none can": "행에 있을 수 없는 값이 있음",
    "another jikimi daemon uses this state directory": (
        "다른 지킴이 데몬이 이 상태 디렉터리를 쓰고 있음"
    ),
    "another jikimi runs on this state directory": ("다른 지킴이가 이 상태 디렉터리에서 실행 중"),
    "stop it, or give this one its own state_dir": (
        "그것을 멈추거나, 이 데몬에 다른 state_dir을 주세요"
    ),
    "stop it, or give this one its own with state_dir": (
        "그것을 멈추거나, state_dir로 다른 디렉터리를 주세요"
    ),
}

_JOURNAL: Final[dict[str, str]] = {
    "journal": "기록",
    "{any} does not answer": "{any} 응답 없음",
    "{any} refuses the log-in": "{any} 로그인을 거부함",
    "check user and password in journal: url:": "journal: url:의 사용자와 비밀번호를 확인하세요",
    "create it, or correct journal: url:": "만들거나, journal: url:을 고치세요",
    "journal: url: needs the driver of PostgreSQL": (
        "journal: url:에는 PostgreSQL 드라이버가 필요함"
    ),
    "install it by pip install 'jikimi[postgresql]'": (
        "pip install 'jikimi[postgresql]' 명령으로 설치하세요"
    ),
    "the journal was made by a newer release": "더 새로운 버전이 만든 기록",
    "what it lacks is kept until that runs": "빠진 것은 그 버전이 실행될 때까지 보관됩니다",
    "the database {why}": "데이터베이스: {why}",
    "holds another program's tables": "다른 프로그램의 테이블이 있음",
    "give jikimi a database of its own": "지킴이만 쓰는 데이터베이스를 주세요",
}

_EVIDENCE: Final[dict[str, str]] = {
    "evidence": "증거",
    "no clip": "영상 없음",
    "no key frame came that an MP4 can begin with": "MP4를 시작할 수 있는 키 프레임이 오지 않음",
    "it was not kept until it could be written": "쓸 수 있을 때까지 보관되지 못함",
    "part of the clip": "영상 일부",
    "more came than the disk took or memory holds": "디스크와 메모리가 감당할 수 없을 만큼 많이 옴",
    "the clip's beginning": "영상 앞부분",
    "no key frame of then was left": "그때의 키 프레임이 남아 있지 않음",
    "all evidence of an incident": "사건의 증거 전체",
    "too many at once": "한꺼번에 너무 많음",
    "the rest of it": "나머지",
}

_SYSTEM: Final[dict[str, str]] = {
    "[Errno {n}] {why}": "[Errno {n}] {why}",
    "No space left on device": "디스크 공간이 없음",
    "Disk quota exceeded": "디스크 할당량 초과",
    "Input/output error": "입출력 오류",
    "Read-only file system": "읽기 전용 파일 시스템",
    "Permission denied": "권한이 없음",
    "Operation not permitted": "허용되지 않는 작업",
    "No such file or directory": "파일이나 디렉터리가 없음",
    "Not a directory": "디렉터리가 아님",
    "Is a directory": "파일이 아니라 디렉터리임",
    "File name too long": "파일 이름이 너무 긺",
    "Stale file handle": "네트워크 폴더의 연결이 끊김",
    "Text file busy": "파일이 사용 중",
    "Exec format error": "실행할 수 없는 형식",
    "Argument list too long": "인자가 너무 긺",
    "Cannot allocate memory": "메모리 부족",
    "Resource temporarily unavailable": "지금은 자원이 부족함",
    "Too many open files": "열린 파일이 너무 많음",
    "Too many open files in system": "시스템에 열린 파일이 너무 많음",
    "Broken pipe": "연결이 끊어짐",
    "Connection refused": "연결이 거부됨",
    "Connection reset by peer": "상대가 연결을 끊음",
    "Connection timed out": "연결 시간 초과",
    "Network is unreachable": "네트워크에 닿을 수 없음",
    "No route to host": "호스트로 가는 경로 없음",
    "database or disk is full": "디스크 공간이 없음",
    "disk I/O error": "디스크 입출력 오류",
    "attempt to write a readonly database": "데이터베이스가 읽기 전용임",
    "unable to open database file": "데이터베이스 파일을 열 수 없음",
    "database is locked": "데이터베이스가 잠겨 있음",
    "database disk image is malformed": "데이터베이스 파일이 손상됨",
    "file is not a database": "데이터베이스 파일이 아님",
    "out of memory": "메모리 부족",
}
"""What Linux and SQLite say."""

STORAGE: Final[dict[str, str]] = {**_DISKS, **_JOURNAL, **_EVIDENCE, **_SYSTEM}
"""By clause, as `reasons.KOREAN`."""
