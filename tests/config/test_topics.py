"""Topics are checked before the first alarm is to go out under them."""

import pytest

from config.topics import checked_topic

FIELDS = ("site", "camera")


@pytest.mark.parametrize("topic", ["jikimi/{site}/{camera}/incident", "a", "{camera}", "a b/{{x}}"])
def test_topics(topic: str) -> None:
    assert checked_topic(topic, FIELDS) == topic


@pytest.mark.parametrize(
    ("topic", "says"),
    [
        ("a/{sit}", "unknown field"),
        ("a/{}", "unknown field"),
        ("a/{0}", "unknown field"),
        ("a/{site.__class__}", "unknown field"),
        ("a/{site[0]}", "unknown field"),
        ("a/{site", "is no template"),
        ("a/}", "is no template"),
        ("a/{site:>99999999999}", "has a field with : or !"),
        ("a/{site!r}", "has a field with : or !"),
        ("a/+/b", "must not hold"),
        ("a/#", "must not hold"),
        ("$SYS/a", "must not hold"),
        ("/a", "empty level"),
        ("a/", "empty level"),
        ("a//b", "empty level"),
        ("a/ /b", "empty level"),
        ("/", "empty level"),
        ("a" * 70_000, "longer than 1000"),
    ],
)
def test_what_is_no_topic(topic: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        checked_topic(topic, FIELDS)
    assert "; " in str(caught.value)
