"""What the wall, a camera's page and its zones say; their keys begin with `camera.`."""

from __future__ import annotations

from typing import Final

WORDS: Final[dict[str, tuple[str, str]]] = {
    "camera.state_connecting": ("connecting", "연결 중"),
    "camera.state_live": ("live", "정상"),
    "camera.state_asleep": ("live, nothing moves", "정상, 움직임 없음"),
    "camera.state_unwatched": ("not watched", "감시 안 됨"),
    "camera.state_stalled": ("no data", "데이터 없음"),
    "camera.state_unauthorised": ("log-in refused", "로그인 거부됨"),
    "camera.state_offline": ("offline", "연결 끊김"),
    "camera.state_for": ("{state} · {time}", "{state} · {time}"),
    "camera.span_s": ("{n} s", "{n}초"),
    "camera.span_min": ("{n} min", "{n}분"),
    "camera.span_h": ("{n} h", "{n}시간"),
    "camera.span_d": ("{n} d", "{n}일"),
    "camera.score_told": (
        "{label} {score}, opens at {threshold}",
        "{label} {score}, 기준 {threshold}",
    ),
    "camera.muted_for": ("muted {time}", "알림 끔 {time}"),
    "camera.picture_age": ("picture {time} old", "{time} 전 화면"),
    "camera.picture_of": ("Picture of {camera}", "{camera} 화면"),
    "camera.no_picture": ("no picture yet", "아직 화면 없음"),
    "camera.incident_open": ("Incident", "사건 발생"),
    "camera.cameras_shown": ("{shown} of {all} cameras", "카메라 {all}대 중 {shown}대"),
    "camera.no_cameras": (
        "No camera is watched that this account may see.",
        "이 계정으로 볼 수 있는 카메라가 없습니다.",
    ),
    "camera.filter_site": ("Site", "구역"),
    "camera.filter_state": ("State", "상태"),
    "camera.filter_all": ("all", "전체"),
    "camera.filter_incident": ("with an incident", "사건 발생"),
    "camera.filter_trouble": ("not live", "이상 있음"),
    "camera.filter_muted": ("muted", "알림 꺼짐"),
    "camera.size": ("Size", "크기"),
    "camera.size_small": ("small", "작게"),
    "camera.size_medium": ("medium", "보통"),
    "camera.size_large": ("large", "크게"),
    "camera.not_answering": (
        "Jikimi does not answer; what is shown is old.",
        "지킴이가 응답하지 않습니다. 표시된 내용은 이전 상태입니다.",
    ),
    "camera.health": ("Health", "상태"),
    "camera.state": ("State", "상태"),
    "camera.reason": ("Reason", "원인"),
    "camera.since": ("Since", "시작"),
    "camera.connects": ("Connections", "연결 횟수"),
    "camera.connects_told": ("{n}, since it is watched", "감시 시작 후 {n}회"),
    "camera.samples": ("Samples scored", "분석한 샘플"),
    "camera.samples_told": ("{scored} of {due} due ({share})", "{due}개 중 {scored}개 ({share})"),
    "camera.frames": ("Pictures received", "받은 화면"),
    "camera.decode_errors": ("Decoding errors", "디코딩 오류"),
    "camera.sleeping": ("Asleep", "절전"),
    "camera.sleeping_now": ("now", "현재 절전 중"),
    "camera.awake_now": ("no", "아니요"),
    "camera.sleeping_told": (
        "{now}; {time} in all, woken {wakes} times",
        "{now}; 모두 {time}, {wakes}번 깨어남",
    ),
    "camera.address": ("Address", "주소"),
    "camera.place": ("Place", "위치"),
    "camera.site": ("Site", "구역"),
    "camera.scores": ("Scores", "점수"),
    "camera.scores_told": (
        (
            "Smoothed scores since it is watched, on a logarithmic scale; an incident opens from "
            "the line at {threshold} on."
        ),
        "감시 시작 후 평활 점수(로그 눈금). 선({threshold})부터 사건이 열립니다.",
    ),
    "camera.scores_none": ("No scores yet.", "아직 점수가 없습니다."),
    "camera.from_to": ("Score", "점수"),
    "camera.count": ("Count", "개수"),
    "camera.as_table": ("As a table", "표로 보기"),
    "camera.threshold": ("Threshold", "기준"),
    "camera.threshold_stated": ("stated in the configuration", "설정 파일에 지정됨"),
    "camera.threshold_fresh": ("the weights' own; not learnt yet", "기본값, 아직 학습 전"),
    "camera.threshold_learnt": (
        "{share} the camera's own, learnt in {hours} h; expect {per_day} false alarms a day",
        "{share} 카메라 자체 학습, {hours}시간; 하루 오경보 예상 {per_day}건",
    ),
    "camera.incidents": ("Incidents", "사건"),
    "camera.incidents_none": ("None yet.", "아직 없습니다."),
    "camera.journal_away": (
        "The journal cannot be read: {reason}",
        "기록을 읽을 수 없습니다: {reason}",
    ),
    "camera.opened": ("Opened", "시작"),
    "camera.label": ("Label", "종류"),
    "camera.peak": ("Peak", "최고 점수"),
    "camera.lasted": ("Lasted", "지속"),
    "camera.verdict": ("Verdict", "판정"),
    "camera.verdict_real": ("real", "실제"),
    "camera.verdict_false-alarm": ("false alarm", "오경보"),
    "camera.verdict_exercise": ("exercise", "훈련"),
    "camera.verdict_none": ("not judged", "미판정"),
    "camera.goes_on": ("goes on", "진행 중"),
    "camera.actions": ("Actions", "조치"),
    "camera.drill": ("Send an exercise", "훈련 알림 보내기"),
    "camera.drill_told": (
        "A marked exercise goes to every sink that hears of this camera.",
        "이 카메라의 알림을 받는 모든 곳에 훈련 표시가 된 알림을 보냅니다.",
    ),
    "camera.drilled": ("What became of the exercise", "훈련 알림 결과"),
    "camera.drill_old": (
        "That exercise is not remembered any more.",
        "그 훈련은 더 이상 기억되지 않습니다.",
    ),
    "camera.sink": ("Sink", "수신처"),
    "camera.result": ("Result", "결과"),
    "camera.delivery_delivered": ("delivered in {ms} ms", "{ms} ms 만에 전달됨"),
    "camera.delivery_failed": ("failed", "실패"),
    "camera.delivery_queued": ("waiting", "대기 중"),
    "camera.delivery_not routed": ("not meant to hear of it", "대상 아님"),
    "camera.mute_10": ("Mute 10 min", "10분간 알림 끄기"),
    "camera.mute_60": ("Mute 1 h", "1시간 알림 끄기"),
    "camera.unmute": ("Un-mute", "알림 켜기"),
    "camera.recalibrate": ("Learn the threshold anew", "기준 다시 학습"),
    "camera.recalibrate_told": (
        "After the camera was turned or moved: what it has learnt is forgotten.",
        "카메라를 돌리거나 옮긴 뒤: 학습한 내용을 지웁니다.",
    ),
    "camera.draw_zones": ("Draw zones", "구역 그리기"),
    "camera.zones": ("Zones", "구역 그리기"),
    "camera.zones_of": ("Zones of {camera}", "{camera} 구역"),
    "camera.zones_help": (
        (
            "Click on the picture to set the corners of a zone, and on its first corner to "
            "finish it. Drag a corner to move it. By keyboard: New zone, then Tab to a corner; "
            "arrow keys move it, Enter adds one behind it, Delete removes it, Escape ends the "
            "zone."
        ),
        (
            "화면을 클릭해 꼭짓점을 찍고, 첫 꼭짓점을 클릭하면 구역이 완성됩니다. 꼭짓점은 "
            "끌어서 옮깁니다. 키보드: ‘새 구역’을 누르고 Tab으로 꼭짓점을 고른 뒤 화살표로 "
            "이동, Enter로 추가, Delete로 삭제, Escape로 끝냅니다."
        ),
    ),
    "camera.zone_kind": ("New zones are to", "새 구역 종류"),
    "camera.zone_watch": ("watch", "감시"),
    "camera.zone_ignore": ("ignore", "무시"),
    "camera.zone_new": ("New zone", "새 구역"),
    "camera.zone_finish": ("Finish zone", "구역 완성"),
    "camera.zone_remove": ("Remove", "삭제"),
    "camera.zone_named": (
        "Zone {n}: {kind}, {corners} corners",
        "구역 {n}: {kind}, 꼭짓점 {corners}개",
    ),
    "camera.zone_corner": (
        "Zone {n}, corner {corner}: {x} %, {y} %",
        "구역 {n}, 꼭짓점 {corner}: {x} %, {y} %",
    ),
    "camera.zone_short": (
        "A zone needs at least three corners.",
        "구역에는 꼭짓점이 세 개 이상 필요합니다.",
    ),
    "camera.zones_none": (
        "No zones: motion counts everywhere.",
        "구역 없음: 모든 곳의 움직임을 감지합니다.",
    ),
    "camera.zones_share": (
        "Motion counts in {share} of the picture; elsewhere it is dark.",
        "화면의 {share}에서 움직임을 감지합니다. 어두운 곳은 제외됩니다.",
    ),
    "camera.zones_drawn": (
        "In force: drawn in the console, instead of the configuration's.",
        "적용 중: 설정 파일 대신 콘솔에서 그린 구역.",
    ),
    "camera.zones_stated": ("In force: the configuration's.", "적용 중: 설정 파일의 구역."),
    "camera.zones_effect": (
        (
            "Saving takes effect at once: the camera begins anew, its open incidents are closed, "
            "and its threshold is learnt anew."
        ),
        (
            "저장하면 바로 적용됩니다. 카메라를 다시 시작하고, 열린 사건을 닫고, 기준을 다시 "
            "학습합니다."
        ),
    ),
    "camera.zones_save": ("Save", "저장"),
    "camera.zones_saved": ("Saved, and in force.", "저장되어 적용 중입니다."),
    "camera.zones_unsaved": ("Not saved yet.", "아직 저장되지 않았습니다."),
    "camera.zones_back": ("Back to the configuration", "설정 파일로 되돌리기"),
    "camera.zones_yaml": (
        "For the configuration, under the camera",
        "설정 파일의 카메라 항목에 넣을 내용",
    ),
    "camera.back_to_camera": ("Back to the camera", "카메라로 돌아가기"),
    "camera.cannot_save": ("Not saved: {reason}", "저장 안 됨: {reason}"),
}
"""By key, the English text and the Korean."""
