"""A bundle that comes to serve changes by which encoder users are compared."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from portrait_files import contrary_file, encoder_file, write_portrait_bundle
from served_brain import station

from coordinator.config import Config, CoordinatorSection, ModelsSection
from coordinator.core.pile import User
from coordinator.core.recommend.collaborative import Tastes
from coordinator.models import switch as switch_module
from coordinator.models.bundle import load
from coordinator.parts import Parts, build_parts


def crowd(parts: Parts) -> None:
    """Thirty drivers of each of two models; who is new drives the first."""
    parts.district.put_stations([station("A", 1.0)])
    for number in range(60):
        name = f"u{number}"
        parts.district.users[name] = User(name, vehicle_model="Han" if number < 30 else "Seal")
        parts.book.visits[name] = Counter({"A": 3})
    parts.district.users["new"] = User("new", vehicle_model="Han")


def same_model(tastes: Tastes | None) -> bool:
    """Whether the newcomer is like those of the same model, and like nobody else."""
    assert tastes is not None
    first = {tastes.row[f"u{number}"] for number in range(30)}
    return set(tastes.neighbours[tastes.row["new"]].tolist()) <= first


async def test_activated_bundle_brings_its_portrait_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configured encoder is used from the start, the activated one with the next snapshot."""
    # The trial in a child process has tests of its own.
    monkeypatch.setattr(
        switch_module, "try_out", lambda folder, trust: load(folder, None, trust).manifest_sha256
    )
    first = write_portrait_bundle(tmp_path / "first", contrary_file())
    second = write_portrait_bundle(tmp_path / "second", encoder_file(words=3.0))
    config = Config(
        CoordinatorSection(district="d", data_dir=str(tmp_path / "data")),
        models=ModelsSection(bundle=str(first), allow_unsigned=True),
    )
    parts = build_parts(config)
    try:
        crowd(parts)
        configured = await parts.tastes.refresh()
        await parts.switch.activate(str(second))
        activated = await parts.tastes.refresh()
    finally:
        parts.shadow.close()
        await parts.brain.close()
        await parts.store.close()
        parts.lock.release()

    assert not same_model(configured)
    assert same_model(activated)
