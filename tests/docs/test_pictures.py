"""The pictures of the documents: made by tests, small, and asking nobody for anything."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from pictures import LARGEST_BYTES

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"


def renewing() -> ModuleType:
    """The program that makes them."""
    spec = importlib.util.spec_from_file_location("renewing", ROOT / "docs" / "renew_pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_is_made_by_a_test() -> None:
    """None is made by hand, and each test that makes one is there and names it."""
    made = renewing().MADE

    assert sorted(path.name for path in PICTURES.iterdir()) == sorted(made)
    for name, test in made.items():
        assert f'"{name}"' in (ROOT / test.partition("::")[0]).read_text()


def test_pictures_are_small_and_come_alone() -> None:
    """None is large, and a drawing fetches no font and runs nothing."""
    for path in PICTURES.iterdir():
        assert path.stat().st_size <= LARGEST_BYTES
        if path.suffix == ".svg":
            text = path.read_text("utf-8")
            assert re.findall(r"https?://(?!www\.w3\.org/|127\.0\.0\.1:)", text) == []
            assert not re.search(r"<script|@import|@font-face|url\((?!#)", text)
