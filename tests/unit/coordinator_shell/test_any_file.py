"""Files of all rooms after any change: they are read, or refused in the room's own words."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from any_message import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.fuzz.file_samples import samples
from bench.fuzz.file_worker import read
from bench.fuzz.text import mutated_text

SAMPLES = samples()
# Networks take a folder, and may end the process that reads them: the bench has one for that.
KINDS = [kind for kind in SAMPLES if not kind.endswith((".onnx", "golden.json", "manifest.json"))]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=examples(15), deadline=None)
@given(seed=st.integers(0, 2**32), which=st.integers(0, 50), text=st.text(max_size=200))
def test_any_change_of_a_file_is_read_or_refused(
    kind: str, seed: int, which: int, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Neither a changed file nor any other text raises what nobody meant."""
    sample = SAMPLES[kind][which % len(SAMPLES[kind])]
    path = tmp_path_factory.getbasetemp() / kind.replace("/", "-")
    for content in (mutated_text(random.Random(seed), sample), _bytes(text)):
        write(path, content)
        assert read(kind, path)["word"] in ("OK", "refused")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def write(path: Path, content: bytes) -> None:
    """Puts a file there that only we can read, as files of secrets have to be."""
    path.write_bytes(content)
    path.chmod(0o600)
