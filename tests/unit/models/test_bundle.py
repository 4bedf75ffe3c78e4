"""Bundles: the shipped one loads, and every way of being wrong is named and refused."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.core.ports import ModelUnavailable
from coordinator.errors import BundleRefused
from coordinator.models import bundle as bundle_module
from coordinator.models.bundle import load
from coordinator.models.manifest import Manifest
from coordinator.models.onnx_file import NotOnnx, check
from coordinator.models.pins import BUNDLED_SHA256
from coordinator.models.registry import NEEDED, PARTS, PartKind
from coordinator.models.serving import BUNDLED, open_models, serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped bundle."""
    return Path(shutil.copytree(BUNDLED, tmp_path / "bundle"))


def rewrite(folder: Path, change: Callable[[dict], None]) -> None:
    """Changes the manifest."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Replaces a file and its hash: as someone would who may write there."""
    (folder / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    rewrite(folder, lambda m: m["files"].update({name: digest}))


def refusal(folder: Path) -> BundleRefused:
    with pytest.raises(BundleRefused) as caught:
        load(folder)
    return caught.value


def field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return bytes([*_varint(number << 3 | 2), *_varint(len(content))]) + content


def _varint(number: int) -> Iterator[int]:
    while number > 127:
        yield number & 127 | 128
        number >>= 7
    yield number


def tensor_spans(content: bytes) -> Iterator[tuple[int, int]]:
    """Where the raw float data of each initializer lies."""

    def walk(start: int, end: int) -> Iterator[tuple[int, int, int]]:
        at = start
        while at < end:
            key, at = read(at)
            if key & 7 == 0:
                _, at = read(at)
                continue
            size, at = read(at)
            yield key >> 3, at, at + size
            at += size

    def read(at: int) -> tuple[int, int]:
        number = shift = 0
        while True:
            byte = content[at]
            number |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return number, at

    for graph, begin, end in walk(0, len(content)):
        if graph == 7:
            for tensor, first, last in walk(begin, end):
                if tensor == 5:
                    yield from ((a, b) for raw, a, b in walk(first, last) if raw == 9)


def test_shipped_bundle_loads_and_is_pinned() -> None:
    """The bundle of this version has what is needed, its pin holds, and it is below 1 MB."""
    bundle = load(BUNDLED, BUNDLED_SHA256)

    assert bundle.ranker is not None
    assert bundle.failure is not None
    assert {part.name for part in bundle.parts} >= set(NEEDED)
    assert sum(file.stat().st_size for file in BUNDLED.iterdir()) < 1_000_000


def test_pinned_bundle_refuses_another_manifest(folder: Path) -> None:
    """A manifest that was changed, however slightly, is not the one that is expected."""
    rewrite(folder, lambda m: m.update(version="9.9.9"))

    with pytest.raises(BundleRefused, match="not the one that is expected"):
        load(folder, BUNDLED_SHA256)


def test_changed_file_is_named(folder: Path) -> None:
    """A file that is not what was hashed is named, with what to do."""
    path = folder / "ranker.onnx"
    path.write_bytes(path.read_bytes() + b"\0")

    error = refusal(folder)

    assert error.file.endswith("ranker.onnx")
    assert "SHA-256" in str(error)
    assert error.hint


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\x08\x0a", "no graph"),
        (b"not a protobuf at all", ""),
        (None, "cut short"),
    ],
)
def test_junk_and_truncated_models_are_refused(
    folder: Path, content: bytes | None, why: str
) -> None:
    """Nothing, junk, and half a model are refused even when the manifest vouches for them."""
    if content is None:
        whole = (folder / "ranker.onnx").read_bytes()
        content = whole[: len(whole) // 2]
    replace_file(folder, "ranker.onnx", content)

    error = refusal(folder)

    assert error.file.endswith("ranker.onnx")
    assert why in str(error)


@pytest.mark.parametrize("target", ["manifest.json", "failure.onnx", "ranker.golden.json"])
def test_missing_file_is_named(folder: Path, target: str) -> None:
    """A file that is not there is named."""
    (folder / target).unlink()

    assert refusal(folder).file.endswith(target)


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    """A symbolic link in place of a file is refused: it may lead anywhere."""
    outside = tmp_path / "outside.onnx"
    (folder / "ranker.onnx").rename(outside)
    (folder / "ranker.onnx").symlink_to(outside)

    assert "not a regular file" in str(refusal(folder))


def test_a_pipe_in_place_of_a_file_does_not_block(folder: Path) -> None:
    """A named pipe that nobody writes to is refused at once."""
    (folder / "ranker.onnx").unlink()
    os.mkfifo(folder / "ranker.onnx")

    assert "not a regular file" in str(refusal(folder))


def test_a_folder_in_place_of_a_file_is_refused(folder: Path) -> None:
    """A directory is not read."""
    (folder / "failure.onnx").unlink()
    (folder / "failure.onnx").mkdir()

    assert refusal(folder).file.endswith("failure.onnx")


def test_a_huge_file_is_refused_without_being_read_whole(folder: Path) -> None:
    """A file beyond 16 MiB is refused, though it is sparse and cheap to make."""
    with (folder / "ranker.onnx").open("r+b") as file:
        file.truncate(2**34)

    assert "larger than 16 MiB" in str(refusal(folder))


@given(junk=st.binary(max_size=200), at=st.integers(0, 10_000), cut=st.integers(0, 30_000))
def test_any_bytes_pass_the_look_or_are_refused_by_it(junk: bytes, at: int, cut: int) -> None:
    """Junk, damaged models and halves of them raise `NotOnnx` or nothing; never anything else."""
    whole = (BUNDLED / "ranker.onnx").read_bytes()
    for content in (junk, (whole[:at] + junk + whole[at + len(junk) :])[:cut]):
        with contextlib.suppress(NotOnnx):
            check(content)


def test_file_names_cannot_lead_out_of_the_folder(folder: Path) -> None:
    """A path instead of a plain name is not even looked at."""
    rewrite(folder, lambda m: m["files"].update({"../outside": "0" * 64}))

    assert "manifest.json" in refusal(folder).file


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda m: m.update(format=2), "format 2"),
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m["parts"]["ranker"].update(schema_sha256="0" * 64), "columns"),
        (lambda m: m["parts"]["ranker"].update(file="other.onnx"), "has no hash"),
        (lambda m: m["parts"].clear(), "none of the parts"),
        (lambda m: m["parts"]["ranker"]["inputs"][0].update(shape=["b", "c", 7]), "asked is"),
        (lambda m: m["parts"]["ranker"].update(file="failure.onnx"), "asked is"),
        (lambda m: m.update(expires_at="tomorrow"), "not an instant"),
    ],
)
def test_manifest_that_does_not_fit_is_refused(
    folder: Path, change: Callable[[dict], None], why: str
) -> None:
    """Another format, unknown keys, other columns, wrong shapes and swapped models are refused."""
    rewrite(folder, change)

    assert why in str(refusal(folder))


def test_model_that_misses_its_golden_batch_is_refused(folder: Path) -> None:
    """One changed weight, hashed anew, is caught by the outputs that the model must reproduce."""
    content = bytearray((folder / "failure.onnx").read_bytes())
    begin, end = max(tensor_spans(content), key=lambda span: span[1] - span[0])
    content[begin:end] = (np.frombuffer(content[begin:end], np.float32) * 1.1).tobytes()
    replace_file(folder, "failure.onnx", bytes(content))

    assert "golden" in str(refusal(folder))


def test_model_with_nan_weights_is_refused(folder: Path) -> None:
    """Weights that are not numbers give outputs that are not finite, and are refused."""
    content = bytearray((folder / "ranker.onnx").read_bytes())
    begin, end = max(tensor_spans(content), key=lambda span: span[1] - span[0])
    content[begin:end] = np.full((end - begin) // 4, np.nan, np.float32).tobytes()
    replace_file(folder, "ranker.onnx", bytes(content))

    assert "not finite" in str(refusal(folder))


@pytest.mark.parametrize("golden", [b"{}", b"[]", b"{", b'{"vectors": [], "rates": []}'])
def test_golden_batch_that_proves_nothing_is_refused(folder: Path, golden: bytes) -> None:
    """An empty or malformed golden batch is refused, not passed."""
    replace_file(folder, "failure.golden.json", golden)

    assert refusal(folder).file.endswith("failure.golden.json")


def test_external_data_is_refused_before_any_runtime_sees_it() -> None:
    """Weights outside the file are refused by location, by reference, and inside subgraphs."""
    by_location = field(5, bytes([14 << 3, 1]))
    by_reference = field(5, field(13, field(1, b"location") + field(2, b"../secret")))
    nested = field(1, field(5, field(6, by_location)))

    for graph in (by_location, by_reference, nested):
        with pytest.raises(NotOnnx, match="outside the file"):
            check(field(7, graph))


def test_custom_operators_are_refused() -> None:
    """Operators of a domain outside the standard are refused, in nodes, imports and functions."""
    node = field(1, field(4, b"Steal") + field(7, b"com.example"))
    function = field(25, field(7, field(7, b"com.example")))
    for model in (field(7, node), field(8, field(1, b"com.example")), function):
        with pytest.raises(NotOnnx, match=r"com\.example"):
            check(model)


def test_deep_nesting_is_refused() -> None:
    """A graph within graphs within graphs ends before the stack does."""
    graph = b""
    for _ in range(40):
        graph = field(1, field(5, field(6, graph)))

    with pytest.raises(NotOnnx, match="nested too deeply"):
        check(field(7, graph))


def test_bundle_with_one_part_serves_it(folder: Path) -> None:
    """A bundle without a ranker serves its failure model; the gap is said."""
    rewrite(folder, lambda m: m["parts"].pop("ranker"))

    models = open_models(str(folder))

    assert models.failure is not None
    assert models.ranker is None
    assert models.degraded
    assert "ranker" in models.problems[0]


def test_part_of_the_registry_is_loaded_as_its_port(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One entry in the registry is all that a part needs; without it the bundle still loads."""
    kind = PARTS["failure"]
    rewrite(folder, lambda m: m["parts"].update(weather=m["parts"]["failure"]))
    assert "weather" not in load(folder).models

    monkeypatch.setitem(
        PARTS,
        "weather",
        PartKind(kind.inputs, kind.outputs, kind.schema_sha256, lambda model: ("port", model.name)),
    )

    assert load(folder).models["weather"] == ("port", "weather")
    assert not serving(load(BUNDLED)).degraded


def test_model_that_takes_long_to_load_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would hold everybody up while it is loaded is refused, in the trial before all."""
    monkeypatch.setattr(bundle_module, "LOAD_BUDGET_S", 0.0)

    assert "to load" in str(refusal(folder))


def test_part_that_its_port_will_not_have_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a port finds wrong with a model that loads is a refusal of the bundle like others."""

    def picky(model: object) -> None:
        raise ModelUnavailable("failure", "not to my taste")

    monkeypatch.setitem(PARTS, "failure", replace(PARTS["failure"], wrapper=picky))

    assert "not to my taste" in str(refusal(folder))


def test_bad_bundle_starts_with_rules_and_says_why(tmp_path: Path) -> None:
    """A missing bundle leaves no model, no exception, and a sentence with file and hint."""
    models = open_models(str(tmp_path / "nothing"))

    assert (models.ranker, models.failure, models.parts) == (None, None, ())
    assert "error[MODEL-001]" in models.problems[0]
    assert os.fspath(tmp_path / "nothing") in models.problems[0]
    assert "hint:" in models.problems[0]


def test_expiry_is_known_and_does_not_stop_the_bundle(folder: Path) -> None:
    """An expired bundle loads, and says that it should have been replaced."""
    rewrite(folder, lambda m: m.update(expires_at="2026-01-01T00:00:00Z"))

    bundle = load(folder)

    assert bundle.expired(datetime(2026, 1, 1, tzinfo=UTC))
    assert not bundle.expired(datetime(2025, 12, 31, tzinfo=UTC))


def test_manifest_is_read_strictly() -> None:
    """The shipped manifest says metrics and the hash of its training data."""
    manifest = msgspec.json.decode((BUNDLED / "manifest.json").read_bytes(), type=Manifest)

    assert manifest.parts["ranker"].metrics["mrr"] > manifest.parts["ranker"].metrics["visits_mrr"]
    assert len(manifest.parts["failure"].training_data_sha256) == 64
