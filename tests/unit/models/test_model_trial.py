"""The trial: what would take a coordinator down takes only a child process down."""

import resource
import shutil
from pathlib import Path

import model_files
import pytest

from coordinator.errors import BundleRefused
from coordinator.models.pins import BUNDLED_SHA256
from coordinator.models.refusals import BundleUntrusted
from coordinator.models.serving import BUNDLED
from coordinator.models.signature import Trust
from coordinator.models.trial import load_tried, try_out

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
UNSIGNED = Trust(allow_unsigned=True)


def test_good_bundle_passes_and_is_loaded_as_it_was_tried() -> None:
    """The hash of the manifest that passed is that of the bundle that is loaded."""
    assert load_tried(BUNDLED, None, BUNDLED_SHA256).manifest_sha256 == BUNDLED_SHA256


def test_refusal_of_the_child_is_told_as_it_was(tmp_path: Path) -> None:
    """File, reason and kind of the refusal come out of the child unchanged."""
    folder = Path(shutil.copytree(BUNDLED, tmp_path / "bundle"))
    with pytest.raises(BundleUntrusted, match="not signed"):
        try_out(folder, Trust())

    (folder / "failure.onnx").unlink()

    with pytest.raises(BundleRefused, match="No such file") as caught:
        try_out(folder, UNSIGNED)
    assert caught.value.file.endswith("failure.onnx")


def test_child_that_lacks_memory_is_a_refusal(tmp_path: Path) -> None:
    """A model that needs more than the child gets is refused; this process took nothing."""
    folder = model_files.write_bundle(tmp_path / "bomb", model_files.BOMB)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(BundleRefused):
        try_out(folder, UNSIGNED)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    with pytest.raises(BundleRefused):
        try_out(BUNDLED, None, BUNDLED_SHA256, memory_mib=1)


def test_child_that_is_not_done_in_time_is_ended(tmp_path: Path) -> None:
    """A trial that takes too long is a refusal, soon after its time."""
    with pytest.raises(BundleRefused, match=r"within 0\.05 s"):
        try_out(BUNDLED, None, BUNDLED_SHA256, timeout_s=0.05)


def test_slow_and_constant_models_do_not_pass(tmp_path: Path) -> None:
    """A model that needs longer than its budget, or gives one value for all, is refused."""
    for content, why in (
        (model_files.ALWAYS_SLOW, "within 0.1 s"),
        (model_files.CONSTANT, "one value"),
    ):
        run = content is model_files.CONSTANT
        folder = model_files.write_bundle(tmp_path / str(len(content)), content, run=run)
        with pytest.raises(BundleRefused, match=why):
            try_out(folder, UNSIGNED)
