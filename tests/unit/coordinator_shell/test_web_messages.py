"""The sentences of the operator's page: every language says all, and nothing is said by key."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.change_words import CHANGE_WORDS
from coordinator.web import assets

JS = sorted((assets.OWN / "js").rglob("*.js"))
LANGUAGES = ("en", "zh")


def messages(language: str) -> dict[str, str]:
    folder, told = assets.OWN / "i18n", {}
    for path in sorted(folder.glob(f"*{language}.json")):
        words = json.loads(path.read_text("utf-8"))
        assert not told.keys() & words.keys()
        told |= words
    return told


def test_every_language_says_the_same_with_the_same_blanks() -> None:
    """A sentence is in each language, with the same values to fill in."""
    english, chinese = messages("en"), messages("zh")
    blanks = {
        key: set(re.findall(r"\{(\w+)\}", english[key]))
        ^ set(re.findall(r"\{(\w+)\}", chinese[key]))
        for key in english.keys() & chinese.keys()
    }

    assert english.keys() == chinese.keys()
    assert {key: left for key, left in blanks.items() if left} == {}


def test_every_sentence_that_a_page_asks_for_is_there() -> None:
    """Each literal key of the scripts has words."""
    known = messages("en")
    asked = {key for path in JS for key in re.findall(r'\bt\("([^"]+)"', path.read_text("utf-8"))}
    titled = {
        f"{key}.{part}"
        for path in JS
        for key in re.findall(r'\bempty\("([^"]+)"', path.read_text("utf-8"))
        for part in ("title", "text")
    }

    assert len(asked) > 100
    assert sorted((asked | titled) - known.keys()) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_of_a_change_and_of_a_status_has_words(language: str) -> None:
    """What the coordinator may send as a code is never shown as a code."""
    known = messages(language)
    changes = {f"change.{code}" for code in CHANGE_WORDS["en"] if not code.endswith("_ONE")}
    statuses = {f"status.{status.name}" for status in EvseStatus if status}

    assert sorted((changes | statuses) - known.keys()) == []


@pytest.mark.parametrize("path", JS, ids=lambda path: path.name)
def test_no_script_writes_markup_or_asks_another_host(path: Path) -> None:
    """Text stays text, and nothing is fetched from elsewhere."""
    text = path.read_text("utf-8")

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == []
    assert text.count("\n") <= 300
    assert text.startswith(("//", "/* global L */\n//"))
