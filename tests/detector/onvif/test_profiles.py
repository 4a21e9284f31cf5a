"""Which stream of a camera is recommended, and what is to be set in it."""

from __future__ import annotations

import pytest

from detector.onvif.profiles import Profile, advice, recommended


def profile(size: str, fps: float | None = 15, encoding: str = "H264") -> Profile:
    width, height = map(int, size.split("x"))
    return Profile(f"{size}-{encoding}-{fps}", "lens", size, encoding, width, height, fps)


@pytest.mark.parametrize(
    ("offered", "best"),
    [
        ([profile("1920x1080", 25), profile("640x360")], profile("640x360")),
        ([profile("320x180"), profile("640x360"), profile("1280x720")], profile("640x360")),
        ([profile("640x360", 5), profile("1280x720")], profile("1280x720")),
        ([profile("640x360", 8), profile("1280x720")], profile("640x360", 8)),
        ([profile("640x360", None), profile("1280x720")], profile("640x360", None)),
        ([profile("640x480", 15, "JPEG"), profile("1920x1080")], profile("1920x1080")),
        ([profile("640x360", 15, "H265"), profile("640x360")], profile("640x360")),
        ([profile("640x360", 15, "H265"), profile("1280x720")], profile("640x360", 15, "H265")),
        ([profile("640x360", 25), profile("640x360", 12)], profile("640x360", 12)),
        ([profile("360x640"), profile("1080x1920")], profile("360x640")),
        ([profile("320x180"), profile("352x288")], profile("320x180")),
        ([profile("640x360", 2), profile("640x360", 6)], profile("640x360", 6)),
        ([profile("640x360", 2), profile("320x180", 6)], profile("320x180", 6)),
        ([profile("640x480", 15, "JPEG")], profile("640x480", 15, "JPEG")),
    ],
)
def test_the_smallest_that_is_enough(offered: list[Profile], best: Profile) -> None:
    assert recommended(offered) == best
    assert recommended(reversed(offered)) == best


@pytest.mark.parametrize(
    ("watched", "words"),
    [
        (profile("640x360"), []),
        (profile("640x360", None), []),
        (profile("640x360", 5), ["at least 10 pictures"]),
        (profile("320x180"), ["set 640x360"]),
        (profile("1920x1080"), ["second stream of 640x360"]),
        (profile("1920x1080", 4, "JPEG"), ["set H.264", "at least 10", "second stream"]),
    ],
)
def test_what_is_to_be_set_in_the_camera(watched: Profile, words: list[str]) -> None:
    told = advice(watched)
    assert len(told) == len(words)
    assert all(word in line for word, line in zip(words, told, strict=True))
