"""*Boxes*: which box of the cluster watches what, to whom it is shown, and how old it is."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from console.cluster_views import CALM, WHOLE
from console.wall_monitor import ManyCameras
from pydantic import SecretStr

from config.settings import HttpSettings, TokenSettings
from detector.console.access.accounts import Accounts
from detector.console.access.passwords import hash_token
from detector.console.access.user import Role, User
from detector.console.words import cluster as words

VIEWER = User("lee", Role.VIEWER)


@pytest.fixture
def many() -> Iterator[ManyCameras]:
    """The own box, which watches `gate` and `yard`, and is reached from elsewhere."""
    cameras = ManyCameras(["gate", "yard"])
    serve_at(cameras, "10.0.0.1")
    cameras.in_cluster = True
    cameras.told = WHOLE
    yield cameras
    cameras.close()


def serve_at(many: ManyCameras, host: str) -> None:
    many.settings = many.settings.model_copy(update={"http": HttpSettings(host=host)})


def page(many: ManyCameras, user: User = VIEWER, language: str = "en") -> str:
    answer = many.client(user).get("/boxes", headers={"accept-language": language})
    assert answer.status_code == 200
    return answer.text


def words_of(shown: str) -> str:
    """What is read there."""
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", shown).split()))


def links(shown: str) -> dict[str, str]:
    """Where each leads, by what is read there."""
    return {text: to for to, text in re.findall(r'<a href="([^"]+)"[^>]*>([^<]+)</a>', shown)}


def found(many: ManyCameras, user: User = VIEWER) -> dict[str, Any]:
    answer = many.client(user).get("/api/cluster")
    assert answer.status_code == 200
    content: dict[str, Any] = answer.json()
    return content


def test_only_a_box_of_a_cluster_has_the_page(many: ManyCameras) -> None:
    client = many.client(VIEWER)
    assert 'href="/boxes"' in client.get("/wall").text
    many.in_cluster = False
    assert 'href="/boxes"' not in client.get("/wall").text
    assert client.get("/boxes").status_code == 404
    assert client.get("/boxes/list").status_code == 404
    alone = client.get("/api/cluster")
    assert (alone.status_code, alone.json()["detail"]) == (404, "this box is in no cluster")


def test_the_page_says_who_watches_what_and_what_nobody_does(many: ManyCameras) -> None:
    assert "북문 <1>" not in page(many)  # escaped
    shown = words_of(page(many))
    assert "north this one works · 3 h 42% harbour, yard 2 of 2 live gate yard" in shown
    assert "south gives its cameras away · 1 min 81% all 1 of 2 live 북문 <1> plaza not" in shown
    assert "west dead · 3 min 0% mill none" in shown
    assert "mill-1, mill-2 : every box that reaches it is dead: west" in shown
    assert "Without south nobody would watch 12 cameras." in shown
    assert "quay-siren: no box called habour has joined" in shown
    assert "jikimi cluster drain" in shown
    many.told = CALM
    shown = page(many)
    assert "Any one box may die" in shown
    assert "Every camera has a box." in shown
    assert "has not joined" not in shown


def test_a_box_that_would_be_too_full_is_named(many: ManyCameras) -> None:
    many.told = replace(WHOLE, loss=replace(WHOLE.loss, unwatched={}))
    assert "Without north another would have 95% of its room taken" in page(many)


def test_cameras_lead_to_their_page_where_that_is_known(many: ManyCameras) -> None:
    shown = page(many)
    assert links(shown)["gate"] == "/camera/gate"
    assert links(shown)["plaza"] == "http://10.0.0.2:8780/camera/plaza"
    assert links(shown)["south"] == "http://10.0.0.2:8780/boxes"
    assert "10.0.0.3" not in shown  # it is dead
    serve_at(many, "127.0.0.1")  # and so do all boxes: nobody reaches another's console
    shown = page(many)
    assert links(shown)["gate"] == "/camera/gate"
    assert "10.0.0." not in shown
    assert "plaza" in shown


def test_what_is_old_is_said_with_its_age(many: ManyCameras) -> None:
    assert "As the coordinator had it 4 s ago." in page(many)
    many.told = replace(WHOLE, age_s=600.0, cut_off=True)
    assert "last heard 10 min ago; what follows held then" in page(many)
    assert "works · 3 h" in words_of(page(many))
    many.told = None
    assert "has not told this box yet" in page(many)
    assert many.client(VIEWER).get("/api/cluster").status_code == 409


def limited(many: ManyCameras, limits: dict[str, list[str]]) -> User:
    """Who has a token with these limits."""
    token = TokenSettings(sha256=SecretStr(hash_token("a token")), role="viewer", **limits)
    settings = many.settings.model_copy(update={"http": HttpSettings(tokens={"one": token})})
    user = Accounts(lambda: settings, is_local=True).of_token("a token")
    assert user
    return user


def names(shown: str) -> set[str]:
    """Of all cameras on a page."""
    listed = re.findall(
        r"<li[^>]*>(?:<a[^>]*>)?([^<]+)(?:</a>)?(?: <span>not live</span>)?</li>", shown
    )
    for together in re.findall(r"<strong>(.*?)</strong>", shown):
        listed += together.split(", ")
    return {html.unescape(one) for one in listed if not one.startswith("Without")}


@pytest.mark.parametrize(
    ("limits", "cameras", "unwatched"),
    [
        ({"sites": ["harbour"]}, {"gate", "북문 <1>"}, set()),
        ({"sites": ["mill", "town"]}, {"plaza"}, {"mill-1", "mill-2"}),
        ({"cameras": ["yard", "mill-2"]}, {"yard"}, {"mill-2"}),
        ({"cameras": ["yard", "plaza"], "sites": ["town"]}, {"plaza"}, set()),
    ],
)
def test_a_limited_account_sees_its_own_cameras_of_every_box_and_no_trace_of_others(
    many: ManyCameras, limits: dict[str, list[str]], cameras: set[str], unwatched: set[str]
) -> None:
    user = limited(many, limits)
    told = found(many, user)
    assert {one["name"] for box in told["boxes"] for one in box["cameras"]} == cameras
    assert {one["name"] for one in told["unwatched"]} == unwatched
    assert names(page(many, user)) == cameras | unwatched
    assert told["unknown_boxes"] == {}
    sites = {site for box in told["boxes"] for site in box["sites"]}
    assert sites <= {one["site"] for box in told["boxes"] for one in box["cameras"]}


def test_programs_are_told_the_same(many: ManyCameras) -> None:
    told = found(many)
    assert (told["box"], told["cut_off"]) == ("north", False)
    north, south, west = told["boxes"]
    assert (north["state"], south["state"], west["state"]) == ("works", "draining", "dead")
    assert (north["console"], south["console"]) == (None, "http://10.0.0.2:8780")
    assert south["cameras"][1] == {
        "name": "plaza",
        "site": "town",
        "live": False,
        "page": "http://10.0.0.2:8780/camera/plaza",
    }
    dead_for_s = (datetime.now(UTC) - datetime.fromisoformat(west["since"])).total_seconds()
    assert dead_for_s == pytest.approx(204, abs=30)
    assert told["loss"] == {
        "may_die": False,
        "box": "north",
        "load": 0.95,
        "unwatched": {"south": 12},
    }
    assert told["unknown_boxes"] == {"quay-siren": "habour"}


def test_every_word_is_said_in_both_languages(many: ManyCameras) -> None:
    korean = page(many, language="ko")
    assert '<html lang="ko">' in korean
    for key, (english, _) in words.WORDS.items():
        if "{" not in english and key != "boxes.box":
            assert f">{english}" not in korean, key
    for english, korean in words.WORDS.values():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", korean))


def test_the_page_has_no_script_or_style_of_its_own(many: ManyCameras) -> None:
    assert not re.search(r"\sstyle=|<style|<script(?![^>]*\ssrc=)|\son\w+=", page(many))
