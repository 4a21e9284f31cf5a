"""Words of *History* and *Report*."""

from __future__ import annotations

from typing import Final

WORDS: Final[dict[str, tuple[str, str]]] = {
    "all": ("all", "전체"),
    "from_day": ("From", "시작일"),
    "to_day": ("To", "종료일"),
    "judged": ("Judged", "판정 여부"),
    "judged_yes": ("judged", "판정됨"),
    "judged_no": ("not judged", "판정 안 됨"),
    "show": ("Show", "조회"),
    "lasts": ("Lasted", "지속 시간"),
    "is_open": ("open", "진행 중"),
    "no_incidents": ("There are no such incidents.", "해당하는 사건이 없습니다."),
    "pages": ("Pages", "쪽"),
    "newest": ("← Newest", "← 최신"),
    "older": ("Older →", "이전 →"),
    "month": ("Month", "월"),
    "print": ("Print", "인쇄"),
    "so_far_month": ("Up to {at}.", "{at} 현재."),
    "incidents": ("Incidents", "사건"),
    "precision": ("Precision", "정밀도"),
    "response": ("Response", "대응 시간"),
    "uptime": ("Uptime", "가동률"),
    "by_camera": ("By camera", "카메라별"),
    "by_hour": ("Incidents by hour of the day", "시간대별 사건"),
    "report_how": (
        (
            "Precision: real ones among those judged real or false. Response: from an incident's "
            "opening to its first verdict, median. Uptime: live, of the time that is known of. For "
            "all cameras together: the median and the mean of theirs. Hours are local."
        ),
        (
            "정밀도: 실제 또는 오경보로 판정된 사건 중 실제의 비율. 대응 시간: 사건 시작부터 첫 "
            "판정까지의 중앙값. 가동률: 상태가 알려진 시간 중 정상 수신의 비율. 전체: 카메라별 "
            "값의 중앙값과 평균. 시각은 현지 시각입니다."
        ),
    ),
}
