"""A wait that rounds to nothing is told in words, never as 0 minutes."""

from __future__ import annotations

import pytest

from coordinator.core.recommend.explain import LANGUAGES, SPECIAL, TEXTS, minutes, sentence


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", ["WAIT", "OCCUPIED", "QUEUE_DELAYED"])
def test_no_driver_reads_of_a_wait_of_no_minutes(code: str, language: str) -> None:
    """20 s are a short wait, 40 s a minute, 12 minutes twelve."""
    told = [
        sentence(code, language, {"name": "B-07", "wait": minutes(wait_s)})
        for wait_s in (20.0, 40.0, 720.0)
    ]

    assert "0" not in told[0].replace("B-07", "")
    assert " 1 " in told[1]
    assert " 12 " in told[2]


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_car_is_told_in_the_singular(language: str) -> None:
    """What is said of two cars has a number, and of one has its own words where they differ."""
    one, two = (sentence("HELD_BY_OTHERS", language, {"name": "B", "ahead": n}) for n in (1, 2))

    assert "1" in one
    assert "2" in two
    assert "1 cars" not in one


def test_every_special_wording_is_there_in_english() -> None:
    """A figure that has words of its own has them; Chinese needs none for one car."""
    assert [code for code, (_, _, end) in SPECIAL.items() if code + end not in TEXTS["en"]] == []
