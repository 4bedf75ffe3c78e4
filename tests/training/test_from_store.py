"""From a coordinator's own requests to a bundle that serves, or to the reason why not."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs torch: pip install "pilewise[train]"')

import grpc  # noqa: E402
from coordinator_process import CoordinatorProcess  # noqa: E402
from own_requests import fill_store  # noqa: E402

from coordinator.core.recommend.features import COLUMN  # noqa: E402
from coordinator.models.bundle import load  # noqa: E402
from coordinator.models.serving import BUNDLED  # noqa: E402
from pilewise.v1 import operator_service_pb2 as op  # noqa: E402
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc  # noqa: E402
from training.__main__ import main  # noqa: E402
from training.from_store_command import active_folder  # noqa: E402

pytestmark = pytest.mark.slow


def told(
    folder: Path, capsys: pytest.CaptureFixture[str], taste: Any, *more: str, seed: int = 7
) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of `training from-store` on requests answered by this taste."""
    folder.mkdir()
    asyncio.run(fill_store(folder, 500, taste, seed))
    code = main(
        [
            "from-store", "--data-dir", str(folder), "--out", str(folder / "candidate"),
            "--cities", "0", "--json", *more,
        ]
    )  # fmt: skip
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, found


def test_a_taste_that_the_active_ranker_lacks_is_learned_and_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Drivers who want power and nothing else: the candidate learns it, passes, and serves."""
    data = tmp_path / "data"

    code, found = told(
        data, capsys, lambda rows: int(rows[:, COLUMN["expected_power_kw"]].argmax())
    )

    assert code == 0
    assert found["gate"] == "passed"
    assert found["ndcg10"] > found["active"]["ndcg10"] + 0.1
    assert found["ci"]["ndcg10"][0] > 0.0
    assert found["labels"]["deviated"] > found["labels"]["told"] > 0
    assert found["activated"] is False
    bundle = load(data / "candidate", found["manifest_sha256"])
    assert bundle.ranker is not None
    assert bundle.version == found["version"]
    shipped = {part.name: part.sha256 for part in load(BUNDLED).parts}
    parts = {part.name: part.sha256 for part in bundle.parts}
    assert parts.keys() == shipped.keys()
    assert {name for name in parts if parts[name] != shipped[name]} == {"ranker"}
    card = (data / "candidate" / "card.md").read_text()
    assert "**passed**" in card
    assert "(ranker.ndcg_by_level.svg)" in card


def test_choices_by_lot_teach_nothing_and_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody can predict a lot: the gate fails, the code says so, and nothing is activated."""
    rng = np.random.default_rng(12)

    code, found = told(
        tmp_path / "data", capsys, lambda rows: int(rng.integers(len(rows))), "--activate", seed=12
    )

    assert code == 5
    assert found["gate"] == "failed"
    assert found["activated"] is False
    assert found["ci"]["ndcg10"][0] <= 0.0


def test_the_same_seed_gives_the_same_candidate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Data and seed make the bytes of the bundle, and of its card."""
    taste = lambda rows: int(rows[:, COLUMN["detour_km"]].argmin())  # noqa: E731

    _, first = told(tmp_path / "a", capsys, taste)
    _, again = told(tmp_path / "b", capsys, taste)

    assert first["manifest_sha256"] == again["manifest_sha256"]


def test_a_folder_in_use_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A candidate is never written over another: code 3 and what to do."""
    (tmp_path / "kept.txt").write_text("mine")

    assert main(["from-store", "--data-dir", str(tmp_path), "--out", str(tmp_path)]) == 3

    assert "error[TRAIN-009]" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["kept.txt"]


@pytest.mark.parametrize("trusting", [True, False])
def test_a_candidate_that_passed_is_activated_at_the_coordinator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trusting: bool
) -> None:
    """It serves from then on; where the coordinator refuses it, code 1 and how to do it by hand."""
    coordinator = CoordinatorProcess(tmp_path)
    with coordinator.config.open("a") as config:
        config.write(f"[models]\nallow_unsigned = {str(trusting).lower()}\n")

    async def run() -> tuple[int, dict[str, Any], list[str]]:
        await coordinator.start()
        try:
            power = COLUMN["expected_power_kw"]
            code, found = await asyncio.to_thread(
                told, tmp_path / "own", capsys, lambda rows: int(rows[:, power].argmax()),
                "--activate", "--target", coordinator.address,
            )  # fmt: skip
            async with grpc.aio.insecure_channel(coordinator.address) as channel:
                stub = operator_rpc.OperatorServiceStub(channel)
                listed = await stub.ListModels(op.ListModelsRequest(), timeout=30)
            return code, found, [model.model.version for model in listed.models]
        finally:
            await coordinator.stop()

    code, found, versions = asyncio.run(run())

    assert code == (0 if trusting else 1)
    assert found["gate"] == "passed"
    assert found["activated"] is trusting
    assert (found["version"] in versions) is trusting
    if trusting:
        assert active_folder(coordinator.data_dir).name == found["manifest_sha256"][:16]
