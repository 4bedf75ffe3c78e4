"""A store stores what its caller was told had failed: cars keep what is stored, and are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from served_brain import ServedBrain, asking, serve_brain, station

from coordinator.core.areas.ledger import ClaimState, Step
from coordinator.errors import StoreUnavailable
from coordinator.usecases.ledger import KeptAnswer
from coordinator.usecases.promises import Promise
from pilewise.v1 import charging_service_pb2 as wire

pytestmark = pytest.mark.slow

CALL_S = 60.0


@pytest.fixture
async def served() -> AsyncIterator[ServedBrain]:
    """Two stations with an EVSE each."""
    async with serve_brain([station("A", 1.0), station("B", 2.0)]) as opened:
        yield opened


class Late:
    """A method of the ledger that does its work and says that it failed, once."""

    def __init__(self, served: ServedBrain, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.claims = served.brain.claims
        self.stored: list[tuple[Step, Sequence[KeptAnswer]]] = []
        really = getattr(self.claims, name)

        async def late(*given: Any, answering: Any = None) -> Any:
            *words, last = given
            answering = last if callable(last) else answering
            words = words if callable(last) else [*words, last]
            step = await really(*words)
            self.stored.append((step, answering(step) if answering else ()))
            monkeypatch.setattr(self.claims, name, really)
            raise StoreUnavailable("by hand", "no answer in time")

        monkeypatch.setattr(self.claims, name, late)

    async def comes(self) -> None:
        """The outcome is heard of at last."""
        ((step, answers),) = self.stored
        for heard in self.claims.late:
            await heard(step, answers)


async def confirmed(served: ServedBrain, car: str, number: int = 1) -> Promise:
    """A firm promise to a car."""
    told = (await served.client.Recommend(asking(car, number), timeout=CALL_S)).promise
    request = wire.ConfirmRequest(recommendation_id=told.recommendation_id)
    await served.client.Confirm(request, timeout=CALL_S)
    promise = served.brain.promises.get(told.recommendation_id)
    assert promise is not None
    return promise


async def test_a_promise_follows_a_move_that_came_late(
    served: ServedBrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The car is told the new place, and may give it back like any other."""
    promise = await confirmed(served, "car-1")
    before = promise.answer
    move = Late(served, monkeypatch, "apply")
    with pytest.raises(StoreUnavailable):
        await served.brain.rerouter.elsewhere(promise, "PILE_FAILED")
    unheard = promise.answer
    await move.comes()

    asked = wire.UpdateProgressRequest(
        recommendation_id=promise.recommendation_id, known_revision=before.revision
    )
    told = (await served.client.UpdateProgress(asked, timeout=CALL_S)).promise
    live = [claim.evse_id for claim in served.brain.claims.table.live()]
    release = wire.ReleaseRequest(recommendation_id=promise.recommendation_id)
    released = (await served.client.Release(release, timeout=CALL_S)).released

    assert unheard == before
    assert before.choice.evse_id == "A-1*1"
    assert live == ["B-1*1"]
    assert told.choice.evse.evse_id == "B-1*1"
    assert told.revision > before.revision
    assert promise.confirmed
    assert released
    assert not list(served.brain.claims.table.live())


async def test_a_move_that_came_after_the_release_holds_nothing(
    served: ServedBrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has given its promise back wants no other place."""
    promise = await confirmed(served, "car-1")
    move = Late(served, monkeypatch, "apply")
    with pytest.raises(StoreUnavailable):
        await served.brain.rerouter.elsewhere(promise, "PILE_FAILED")
    served.brain.promises.close(promise, "RELEASED")
    await move.comes()

    assert promise.closed == "RELEASED"
    assert not list(served.brain.claims.table.live())


async def test_a_confirmation_that_came_late_makes_the_promise_firm(
    served: ServedBrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The promise before it ends, and the car is told that this one is firm."""
    old = await confirmed(served, "car-1")
    new = (await served.client.Recommend(asking("car-1", 2), timeout=CALL_S)).promise
    late = Late(served, monkeypatch, "confirm")
    request = wire.ConfirmRequest(recommendation_id=new.recommendation_id)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.client.Confirm(request, timeout=CALL_S)
    await late.comes()
    await served.client.Confirm(request, timeout=CALL_S)

    promise = served.brain.promises.get(new.recommendation_id)
    (claim,) = served.brain.claims.table.live()
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert promise is not None
    assert promise.confirmed
    assert promise.answer.hold.confirmed
    assert (claim.claim_id, claim.state) == (promise.claim_id, ClaimState.CONFIRMED)
    assert old.closed == "REPLACED"


async def test_a_release_that_came_late_ends_the_promise(
    served: ServedBrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the code of any release."""
    promise = await confirmed(served, "car-1")
    late = Late(served, monkeypatch, "release")
    request = wire.ReleaseRequest(recommendation_id=promise.recommendation_id)
    with pytest.raises(grpc.aio.AioRpcError):
        await served.client.Release(request, timeout=CALL_S)
    before = promise.closed
    await late.comes()

    assert before == ""
    assert promise.closed == "RELEASED"
