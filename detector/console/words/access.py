"""Words of the pages to log in, and of the audit."""

from __future__ import annotations

from typing import Final

_CLOSED: Final = (
    "Closed: other machines can reach this page, and there are no accounts yet. Run "
    "`jikimi password`, state http.accounts in the configuration, and reload."
)
_CLOSED_KO: Final = (
    "닫혀 있습니다. 다른 장비에서 접속할 수 있지만 아직 계정이 없습니다. "
    "`jikimi password`를 실행해 설정에 http.accounts를 추가한 뒤 다시 불러오세요."
)

WORDS: Final[dict[str, tuple[str, str]]] = {
    "login": ("Log in", "로그인"),
    "login_name": ("Name", "이름"),
    "login_password": ("Password", "비밀번호"),
    "login_wrong": (
        "Name and password do not belong together.",
        "이름 또는 비밀번호가 올바르지 않습니다.",
    ),
    "login_link_over": (
        "That link has been used, or is older than ten minutes.",
        "이미 사용했거나 10분이 지난 링크입니다.",
    ),
    "login_by_link": (
        "There are no accounts yet. On this machine, the following prints a link that lets you in:",
        "아직 계정이 없습니다. 이 장비에서 다음 명령을 실행하면 접속 링크가 나옵니다:",
    ),
    "audit_at": ("When", "시각"),
    "audit_who": ("Who", "사용자"),
    "audit_action": ("What", "작업"),
    "audit_target": ("On what", "대상"),
    "audit_reason": ("Why", "사유"),
    "audit_older": ("Older", "이전 기록"),
    "audit_away": ("The journal cannot be read now:", "지금은 기록을 읽을 수 없습니다:"),
    "error_401": ("Log in first.", "먼저 로그인하세요."),
    "error_403": ("Your account may not do this.", "이 계정에는 권한이 없습니다."),
    "error_csrf": (
        "This form is too old. Go back, load the page again, and repeat.",
        "양식이 만료되었습니다. 이전 페이지를 새로 고친 뒤 다시 시도하세요.",
    ),
    "error_host": (
        "Jikimi does not know this name. State it in http.host_names of its configuration.",
        "알 수 없는 호스트 이름입니다. 설정의 http.host_names에 추가하세요.",
    ),
    "error_closed": (_CLOSED, _CLOSED_KO),
}
