"""Every decision about a promise is on its account, and can be explained to an operator."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from served_brain import ServedBrain, asking, serve_brain, station

from city_sim.messages import station_message
from coordinator.core.pile import EvseStatus
from coordinator.usecases.answer import Decided
from coordinator.usecases.composing import answers
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc

DEADLINE_S = 60.0


async def account(served: ServedBrain, recommendation_id: str) -> tuple[Decided, ...]:
    """The account as it is stored."""
    kept = await served.brain.claims.answer(recommendation_id)
    assert kept is not None
    return answers.decode(kept.answer).decided


async def revised(served: ServedBrain, recommendation_id: str, revision: int) -> None:
    """Returns once the promise has this revision."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            promise = served.brain.promises.get(recommendation_id)
            assert promise is not None
            if promise.answer.revision >= revision:
                return
            await asyncio.sleep(0.01)


async def test_each_decision_has_its_reason_its_level_and_the_second_best(tmp_path: Path) -> None:
    """First recommended, then moved: both stay on the account, and outlive the process."""
    path = tmp_path / "claims.db"
    stations = [station("A", 2.0), station("B", 3.0), station("C", 5.0)]
    async with serve_brain(stations, path) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        name = promise.recommendation_id
        await served.client.Confirm(wire.ConfirmRequest(recommendation_id=name))
        served.see("A-1*1", EvseStatus.OUTOFORDER)
        await revised(served, name, 2)

    async with serve_brain(stations, path) as served:
        first, second = await account(served, name)

    assert (first.code, first.from_evse_id, first.to_evse_id) == ("RECOMMENDED", "", "A-1*1")
    assert first.second_evse_id == "B-1*1"
    assert first.second_more_s > 0.0
    assert (second.code, second.from_evse_id, second.to_evse_id) == (
        "PILE_FAILED",
        "A-1*1",
        "B-1*1",
    )
    assert (second.revision, second.second_evse_id) == (2, "C-1*1")
    assert (first.level, first.level_reason) == (int(promise.level), promise.level_reason)
    assert second.level_reason == "FEW_PILES_IN_REACH"  # with one pile less


async def test_who_gave_a_place_up_for_whom_is_on_both_accounts_and_counted() -> None:
    """The more urgent car's, and that of the one that was moved; with what it cost the other."""
    async with serve_brain([station("A", 1.0), station("B", 2.5), station("C", 20.0, 3)]) as served:
        low = (await served.client.Recommend(asking("car-1"))).promise
        await served.client.Confirm(wire.ConfirmRequest(recommendation_id=low.recommendation_id))

        urgent = (await served.client.Recommend(asking("car-2", soc_pct=0.6))).promise
        (mine,) = await account(served, urgent.recommendation_id)
        theirs = (await account(served, low.recommendation_id))[-1]
        counted = served.counters.values()

    assert (mine.code, mine.to_evse_id, mine.other_vehicle_id) == (
        "PLACE_GIVEN_UP",
        "A-1*1",
        "car-1",
    )
    assert (theirs.code, theirs.to_evse_id, theirs.other_vehicle_id) == (
        "HIGHER_LEVEL",
        "B-1*1",
        "car-2",
    )
    assert counted["displacements"] == 1
    assert 0.0 < counted["displacement_loss_s"] <= 300.0


async def test_a_long_account_keeps_its_beginning_and_its_newest_decisions() -> None:
    """What came in between is let go; the revisions go on."""
    async with serve_brain([station("A", 2.0), station("B", 3.0)]) as served:
        name = (await served.client.Recommend(asking("car-1"))).promise.recommendation_id
        for turn in range(30):
            evse_id = ("B-1*1", "A-1*1")[turn % 2]
            await served.client.Confirm(
                wire.ConfirmRequest(recommendation_id=name, evse_id=evse_id)
            )

        kept = await account(served, name)

    assert len(kept) == 24
    assert kept[0].code == "RECOMMENDED"
    assert [one.revision for one in kept[1:]] == list(range(9, 32))


@pytest.mark.slow
async def test_the_account_is_told_by_explain_and_by_the_command(tmp_path: Path) -> None:
    """An operator reads it over the wire and on the terminal; the driver never sees other cars."""
    process = CoordinatorProcess(tmp_path)
    await process.start()
    try:
        async with grpc.aio.insecure_channel(process.address) as channel:
            operator = operator_rpc.OperatorServiceStub(channel)
            stations = [station_message(station(*one)) for one in (("A", 1.0), ("B", 2.0))]
            await operator.PutStations(op.PutStationsRequest(stations=stations), timeout=10)
            cars = rpc.ChargingServiceStub(channel)
            name = (await cars.Recommend(asking("car-1"), timeout=10)).promise.recommendation_id
            confirm = wire.ConfirmRequest(recommendation_id=name, evse_id="B-1*1")
            await cars.Confirm(confirm, timeout=10)

            told = await operator.Explain(op.ExplainRequest(recommendation_id=name), timeout=10)
        words = ("ask", "explain", name, "--target", process.address)
        command = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from pilewise.cli import main; main()", *words,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(command.communicate(), 60)
    finally:
        await process.stop()

    assert [one.code for one in told.decisions] == ["RECOMMENDED", "DRIVER_CHOICE"]
    assert told.decisions[1].to_evse_id == "B-1*1"
    assert told.decisions[1].second_evse_id == "A-1*1"
    text = (out + err).decode()
    assert "r2 DRIVER_CHOICE A-1*1 -> B-1*1" in text, json.dumps(text)
    assert "second A-1*1 by" in text
