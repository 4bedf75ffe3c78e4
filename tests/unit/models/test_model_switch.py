"""Which bundle serves: after an activation, a refusal, a rollback, a restart."""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import model_files
import pytest

from coordinator.errors import BundleRefused, FieldInvalid
from coordinator.models import switch as switch_module
from coordinator.models.kept import KeptBundles
from coordinator.models.pins import BUNDLED_SHA256
from coordinator.models.refusals import BundleUntrusted
from coordinator.models.serving import BUNDLED
from coordinator.models.signature import Trust
from coordinator.models.switch import ModelSwitch
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events

UNSIGNED = Trust(allow_unsigned=True)


@pytest.fixture(autouse=True)
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial without its child process: `test_model_trial.py` is about that."""
    from coordinator.models.bundle import load

    monkeypatch.setattr(
        switch_module, "try_out", lambda folder, trust: load(folder, None, trust).manifest_sha256
    )


def switch_at(root: Path, trust: Trust = UNSIGNED) -> ModelSwitch:
    events = Events(time.time, time.time)
    return ModelSwitch(KeptBundles(root), trust, events, Counters(), time.time)


def version_of(switch: ModelSwitch) -> str:
    bundle = switch.serving.bundle
    return bundle.version if bundle else ""


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Path]:
    """A healthy bundle of this version."""
    return lambda version: model_files.write_bundle(
        tmp_path / f"from-{version}", model_files.HEALTHY, version
    )


async def test_shipped_bundle_serves_when_none_is_configured(tmp_path: Path) -> None:
    """Without configuration and memory the bundle of this version serves, with nothing to say."""
    switch = switch_at(tmp_path / "kept")

    serving = switch.start("")

    assert serving.bundle is not None
    assert serving.bundle.manifest_sha256 == BUNDLED_SHA256
    assert (serving.problems, serving.degraded) == ((), False)


async def test_activated_bundle_serves_at_once_and_after_a_restart(
    tmp_path: Path, make: Callable[[str], Path]
) -> None:
    """What was activated serves still when the process and the operator's folder are gone."""
    root, folder = tmp_path / "kept", make("2.0.0")
    switch = switch_at(root)
    switch.start("")
    heard: list[str] = []
    switch.on_switch.append(lambda serving: heard.append(serving.parts[0].version))

    await switch.activate(str(folder))

    assert (version_of(switch), heard) == ("2.0.0", ["2.0.0"])
    shutil.rmtree(folder)
    again = switch_at(root)
    again.start("")
    assert version_of(again) == "2.0.0"


async def test_rollback_serves_what_served_before_and_back(
    tmp_path: Path, make: Callable[[str], Path]
) -> None:
    """Rolling back twice ends where it began; a restart between does not matter."""
    switch = switch_at(tmp_path / "kept")
    switch.start("")
    with pytest.raises(FieldInvalid, match="nothing served before"):
        await switch.rollback()
    await switch.activate(str(make("2.0.0")))
    await switch.activate(str(make("3.0.0")))

    await switch.rollback()
    assert version_of(switch) == "2.0.0"
    switch = switch_at(tmp_path / "kept")
    switch.start("")
    assert version_of(switch) == "2.0.0"
    await switch.rollback()
    assert version_of(switch) == "3.0.0"


async def test_shipped_bundle_is_rolled_back_to(
    tmp_path: Path, make: Callable[[str], Path]
) -> None:
    """The first activation can be undone: the bundle of this version served before."""
    switch = switch_at(tmp_path / "kept")
    switch.start("")
    await switch.activate(str(make("2.0.0")))

    await switch.rollback()

    assert switch.serving.bundle is not None
    assert switch.serving.bundle.manifest_sha256 == BUNDLED_SHA256
    await switch.activate(str(make("3.0.0")))
    await switch.activate("")
    assert switch.serving.bundle.manifest_sha256 == BUNDLED_SHA256


async def test_refused_bundle_changes_nothing_and_is_an_event(
    tmp_path: Path, make: Callable[[str], Path]
) -> None:
    """What served still serves, also after a restart; a bundle that nobody vouches for is news."""
    switch = switch_at(tmp_path / "kept")
    switch.start("")
    await switch.activate(str(make("2.0.0")))
    changed = make("3.0.0")
    (changed / "ranker.onnx").write_bytes(model_files.SLOW_LATER)
    watch = switch._events.watch(1)

    with pytest.raises(BundleUntrusted, match="SHA-256"):
        await switch.activate(str(changed))

    assert version_of(switch) == "2.0.0"
    kinds = [(await anext(watch)).kind for _ in range(3)]
    assert kinds == ["MISSED", "MODEL", "SECURITY"]
    assert switch._counters.values()["bundles_refused"] == 1
    again = switch_at(tmp_path / "kept")
    again.start("")
    assert version_of(again) == "2.0.0"


async def test_configured_bundle_serves_and_does_not_undo_a_later_activation(
    tmp_path: Path, make: Callable[[str], Path]
) -> None:
    """The configuration is taken in once; it counts again when it names something else."""
    root, first, second = tmp_path / "kept", make("2.0.0"), make("3.0.0")
    switch = switch_at(root)
    switch.start(str(first))
    assert version_of(switch) == "2.0.0"
    await switch.activate(str(second))

    for configured, version in (
        (str(first), "3.0.0"),
        (str(make("4.0.0")), "4.0.0"),
        ("", "1.0.0"),
    ):
        switch = switch_at(root)
        switch.start(configured)
        assert version_of(switch).startswith(version)


async def test_configured_bundle_that_is_changed_in_place_is_taken_in(
    tmp_path: Path, make: Callable[[str], Path]
) -> None:
    """A folder trained anew under the same name serves after a restart; a broken one does not."""
    root, folder = tmp_path / "kept", make("2.0.0")
    switch_at(root).start(str(folder))
    shutil.rmtree(folder)
    shutil.copytree(make("3.0.0"), folder)
    switch = switch_at(root)
    switch.start(str(folder))
    assert version_of(switch) == "3.0.0"

    (folder / "manifest.json").write_text("{")

    switch = switch_at(root)
    serving = switch.start(str(folder))
    assert version_of(switch) == "3.0.0"
    assert "manifest.json" in serving.problems[0]


async def test_rules_answer_when_the_configured_bundle_never_was_good(tmp_path: Path) -> None:
    """No last good bundle, and a bad one configured: the rules answer, and it is said why."""
    switch = switch_at(tmp_path / "kept")

    serving = switch.start(str(tmp_path / "nowhere"))

    assert serving.degraded
    assert "nowhere" in serving.problems[0]


async def test_unsigned_bundle_of_the_configuration_is_refused(
    tmp_path: Path, make: Callable[[str], Path]
) -> None:
    """The configuration names a folder, not what is in it: a signature is needed there too."""
    switch = switch_at(tmp_path / "kept", Trust())

    serving = switch.start(str(make("2.0.0")))

    assert serving.degraded
    assert "not signed" in serving.problems[0]


async def test_copy_that_was_damaged_gives_way_to_the_one_before(
    tmp_path: Path, make: Callable[[str], Path]
) -> None:
    """If the copy of what served is damaged, what served before it serves."""
    root = tmp_path / "kept"
    switch = switch_at(root)
    switch.start("")
    await switch.activate(str(make("2.0.0")))
    await switch.activate(str(make("3.0.0")))
    assert switch.state.active is not None
    copy = root / switch.state.active.manifest_sha256[:16]
    (copy / "ranker.onnx").write_bytes(b"")

    again = switch_at(root)
    serving = again.start("")

    assert version_of(again) == "2.0.0"
    assert "ranker.onnx" in serving.problems[0]
    (root / "state.json").write_text("no JSON")
    last = switch_at(root)
    last.start("")
    assert version_of(last).startswith("1.0.0")


async def test_copies_that_nothing_names_are_removed(
    tmp_path: Path, make: Callable[[str], Path]
) -> None:
    """Only what serves, served before, and scores beside takes room."""
    root = tmp_path / "kept"
    switch = switch_at(root)
    switch.start("")
    for version in ("2.0.0", "3.0.0", "4.0.0", "5.0.0"):
        await switch.activate(str(make(version)))

    assert sum(folder.is_dir() for folder in root.iterdir()) == 2


async def test_state_that_cannot_be_written_changes_nothing(
    tmp_path: Path, make: Callable[[str], Path]
) -> None:
    """An activation that would be forgotten at the next start is refused."""
    root = tmp_path / "kept"
    switch = switch_at(root)
    switch.start("")
    root.write_text("a file where the folder should be")

    with pytest.raises(Exception, match="unavailable"):
        await switch.activate(str(make("2.0.0")))

    assert version_of(switch).startswith("1.0.0")


async def test_missing_folder_is_named(tmp_path: Path) -> None:
    """Who activates nothing is told what is missing."""
    switch = switch_at(tmp_path / "kept")
    switch.start("")

    with pytest.raises(BundleRefused, match=r"manifest\.json: No such file"):
        await switch.activate(str(tmp_path / "nothing"))
    assert BUNDLED.is_dir()


async def test_bundle_that_expires_while_it_serves_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event comes when the time has come, not at the start, and only once."""
    monkeypatch.setattr(switch_module, "CHECK_S", 0.01)
    folder = model_files.write_bundle(
        tmp_path / "new", model_files.HEALTHY, expires_at="2100-01-01T00:00:00Z"
    )
    now_s = [time.time()]
    counters, events = Counters(), Events(time.time, time.time)
    kept = KeptBundles(tmp_path / "kept")
    switch = ModelSwitch(kept, UNSIGNED, events, counters, lambda: now_s[0])
    switch.start(str(folder))
    watch = events.watch(0)
    first = asyncio.ensure_future(anext(watch))
    running = asyncio.create_task(switch.run(), name="test:switch")
    await asyncio.sleep(0)
    assert counters.values()["models_expired"] == 0

    now_s[0] = 4_102_444_800.0

    assert "expired" in (await asyncio.wait_for(first, 60)).text
    assert counters.values()["models_expired"] == 1
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(watch), 0.1)
    assert version_of(switch) == "2.0.0"
    running.cancel()
