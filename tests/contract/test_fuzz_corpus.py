"""Inputs that once were not handled: each is sent again, and handled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.fuzz.file_samples import samples
from bench.fuzz.file_worker import READERS, read
from bench.fuzz.input import Input

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "tests" / "golden" / "fuzz").glob("*.json"))
KEPT = {path: Input.from_json(json.loads(path.read_text())) for path in CASES}
FILES = [path for path, item in KEPT.items() if item.surface == "files"]


@pytest.mark.parametrize("case", FILES, ids=lambda path: path.stem)
def test_a_spoiled_file_is_refused_in_words(case: Path, tmp_path: Path) -> None:
    """The reader raises an error of its room; nobody sees a Python exception."""
    item = KEPT[case]
    path = tmp_path / item.target.partition("/")[2]
    path.write_bytes(item.frames[0])
    path.chmod(0o600)

    assert read(item.target, path) == {"word": "refused"}


def test_good_files_are_read(tmp_path: Path) -> None:
    """Each sample that is spoiled for the others is itself in order, and is read."""
    for kind, contents in samples().items():
        if kind.endswith((".onnx", "manifest.json", "golden.json", "profile.toml")):
            continue  # of these whole folders are read, or the name counts
        for content in contents:
            path = tmp_path / kind.replace("/", "-")
            path.write_bytes(content)
            path.chmod(0o600)
            assert read(kind, path) == {"word": "OK"}, kind


def test_every_kind_of_file_has_a_reader_and_a_sample() -> None:
    """Nothing is read that is never spoiled, and nothing is spoiled that is never read."""
    assert set(samples()) == set(READERS) - {"coordinator/trial.onnx"}


@pytest.mark.slow
def test_what_was_sent_to_running_rooms_is_handled(tmp_path: Path) -> None:
    """Real processes get the inputs again: no failure, no line in a log, no silence."""
    sent = [str(path) for path, item in KEPT.items() if item.surface != "files"]
    command = [sys.executable, "-m", "bench.fuzz", "--json", "--findings", str(tmp_path)]
    ran = subprocess.run(
        [*command, "--replay", *sent], cwd=ROOT, capture_output=True, timeout=110, check=False
    )

    figures = json.loads(ran.stdout.decode().splitlines()[-1])
    assert figures["inputs"] == len(sent)
    assert (figures["uncaught"], figures["hangs"]) == (0, 0), ran.stderr.decode()[-3000:]
