"""Over a real socket: a stored portrait model decides whom a new driver is like."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from portrait_files import contrary_file, encoder_file, not_finite_file, write_portrait_bundle
from served_brain import ServedBrain, asking, serve_brain, station

from coordinator.core.pile import User
from coordinator.jobs.tastes import TasteKeeper
from coordinator.models.serving import open_models
from pilewise.v1 import charging_service_pb2 as wire


def crowd(served: ServedBrain) -> TasteKeeper:
    """Drivers of one model like B, of the other C; who is new drives the first."""
    for number in range(60):
        name, first = f"u{number}", number < 30
        served.district.users[name] = User(name, vehicle_model="Han" if first else "Seal")
        served.brain.world.visits[name] = Counter({"B" if first else "C": 6})
    served.district.users["new"] = User("new", vehicle_model="Han")
    return TasteKeeper(served.district, served.brain.world.visits, served.brain.world)


async def preferred(served: ServedBrain, number: int) -> str:
    """Where the new driver is sent by preference alone."""
    request = asking("car-new", number, user_id="new")
    request.select_by = wire.SELECT_BY_PREFERENCE
    answer = await served.client.Recommend(request, timeout=10)
    return answer.promise.choice.evse.evse_id


@pytest.mark.parametrize(
    ("content", "pile"),
    [
        (encoder_file(words=3.0), "B-1*1"),
        (contrary_file(), "C-1*1"),
        (not_finite_file(), "B-1*1"),  # the statistics stand in
    ],
    ids=["words", "contrary", "not finite"],
)
async def test_stored_portrait_model_changes_what_a_new_driver_prefers(
    tmp_path: Path, content: bytes, pile: str
) -> None:
    """With the statistics, then with the bundle's encoder: the same request, another pile."""
    models = open_models(str(write_portrait_bundle(tmp_path / "b", content)))
    async with serve_brain([station("B", -1.5), station("C", 1.6)]) as served:
        keeper = crowd(served)
        await keeper.refresh()
        before = await preferred(served, 1)

        keeper.use(models.portrait)
        await keeper.refresh()
        after = await preferred(served, 2)

    assert models.portrait is not None
    assert (before, after) == ("B-1*1", pile)
