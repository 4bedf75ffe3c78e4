"""A whole coordinator whose promises are in PostgreSQL: restarts, and servers that are lost."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from private_postgres import cluster, needs_postgres
from served_brain import station
from small_town import SmallTown, open_town

from bench.postgres_cluster import free_port
from bench.postgres_pair import Pair
from coordinator.store.postgres_door import driver
from pilewise.v1 import charging_service_pb2 as wire

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(400)]
STATIONS = [station("A", 1.0, evse_count=4), station("B", 2.0, evse_count=4)]
END_S = 120.0  # far more than anything here takes


def in_postgres(dsn: str) -> dict[str, str]:
    """What tells a coordinator to keep its promises there."""
    prefix = "PILEWISE_COORDINATOR__STORE__"
    # As patient as the machine may be slow.
    patient = f"{dsn} options='-c statement_timeout=60000 -c lock_timeout=60000'"
    return {f"{prefix}ENGINE": "postgres", f"{prefix}DSN": patient}


@pytest.fixture
def database() -> Iterator[str]:
    """An empty database of this test's own."""
    name = f"d{uuid.uuid4().hex[:12]}"
    run(cluster().dsn(), f"CREATE DATABASE {name}")
    yield cluster().dsn(name)
    run(cluster().dsn(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A primary and a standby that confirms."""
    needs_postgres()
    both = Pair()
    try:
        both.start()
        yield both
    finally:
        both.remove()


def run(dsn: str, statement: str) -> list[Any]:
    with driver().connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


async def asked_until_held(town: SmallTown, car: str) -> wire.Promise:
    """A promise with a hold; a car asks again while there is none, as cars do."""
    number = 0
    async with asyncio.timeout(END_S):
        while True:
            number += 1
            promise = (await town.ask(car, number)).promise
            if promise.choice.hold.claim_id:
                return promise
            assert promise.choice.hold.kind == wire.HOLD_KIND_NONE
            await asyncio.sleep(0.1)


async def refused_until_told(town: SmallTown, recommendation_id: str) -> set[grpc.StatusCode]:
    """The codes with which a car's release was refused until it was told what is missing."""
    request, codes, told = wire.ReleaseRequest(recommendation_id=recommendation_id), set(), ""
    async with asyncio.timeout(END_S):
        while "no synchronous standby confirms" not in told:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await town.cars.Release(request, timeout=END_S)
            codes.add(caught.value.code())
            told = str(caught.value.details())
            await asyncio.sleep(0.1)
    return codes


@contextlib.asynccontextmanager
async def town_on(folder: Path, dsn: str) -> AsyncIterator[SmallTown]:
    async with open_town(folder, STATIONS, environment=in_postgres(dsn)) as town:
        yield town


async def test_a_promise_in_postgres_survives_a_sigkill(tmp_path: Path, database: str) -> None:
    """Recommend, hold, restart: the same promise, and nobody else is sent there."""
    async with town_on(tmp_path, database) as town:
        first = await asked_until_held(town, "car-1")
        confirm = wire.ConfirmRequest(recommendation_id=first.recommendation_id)
        await town.cars.Confirm(confirm, timeout=END_S)
        await town.process.kill()
        assert run(database, "SELECT state FROM pilewise.claim WHERE state <= 3") == [(2,)]

        await town.process.start()
        await town.dial()

        assert await town.holds(first.recommendation_id) == first.choice.evse.evse_id
        other = await asked_until_held(town, "car-2")
        assert other.choice.evse.evse_id != first.choice.evse.evse_id
        assert not (town.process.data_dir / "claims.db").exists()


async def test_S8_primary_that_is_killed_costs_no_promise(tmp_path: Path, pair: Pair) -> None:
    """Every place that a car was told of is held on the standby; places are granted again."""
    async with town_on(tmp_path, pair.dsn) as town:
        told = [await asked_until_held(town, f"car-{n}") for n in range(3)]
        for promise in told:
            confirm = wire.ConfirmRequest(recommendation_id=promise.recommendation_id)
            await town.cars.Confirm(confirm, timeout=END_S)

        pair.fail_over()
        after = await asked_until_held(town, "car-after")

        held = run(pair.standby.dsn(), "SELECT claim_id FROM pilewise.claim WHERE state <= 3")
        wanted = {promise.choice.hold.claim_id for promise in (*told, after)}
        assert {name for (name,) in held} == wanted
        evses = {promise.choice.evse.evse_id for promise in (*told, after)}
        assert len(evses) == len(wanted)


async def test_S9_without_its_standby_nothing_is_granted_and_it_is_said(
    tmp_path: Path, pair: Pair
) -> None:
    """Cars are answered without a hold; what was promised stands, and all goes on with it."""
    async with town_on(tmp_path, pair.dsn) as town:
        first = await asked_until_held(town, "car-1")
        confirm = wire.ConfirmRequest(recommendation_id=first.recommendation_id)
        await town.cars.Confirm(confirm, timeout=END_S)

        pair.lose_standby()
        answers = [(await town.ask("car-2", n)).promise for n in (1, 2)]
        refused = await refused_until_told(town, first.recommendation_id)
        pair.find_standby()
        pair.wait()
        after = await asked_until_held(town, "car-3")

    for answer in answers:
        assert answer.choice.hold.claim_id == ""
        assert answer.choice.hold.reason_code == "STORE_UNAVAILABLE"
    assert refused == {grpc.StatusCode.UNAVAILABLE}
    assert after.choice.evse.evse_id != ""
    log = (tmp_path / "coordinator.log").read_text()
    assert "Traceback" not in log


async def test_a_start_without_the_database_says_where_it_should_be(tmp_path: Path) -> None:
    """The exit code is that of things that may come later; the address is named."""
    needs_postgres()
    port = free_port()
    process = CoordinatorProcess(tmp_path)
    dsn = f"host=127.0.0.1 port={port} dbname=city user=pilewise"
    process.config.write_text(
        process.config.read_text() + f'[store]\nengine = "postgres"\ndsn = "{dsn}"\n'
    )
    ended = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "coordinator",
        "-c",
        str(process.config),
        stderr=asyncio.subprocess.PIPE,
    )
    _, words = await asyncio.wait_for(ended.communicate(), END_S)

    assert ended.returncode == 4
    assert f"error[STORE-001]: store postgres is unavailable: 127.0.0.1:{port}/city" in (
        words.decode()
    )


async def test_two_coordinators_on_one_database_promise_no_place_twice(
    tmp_path: Path, database: str
) -> None:
    """Sixteen cars ask both at once for eight EVSEs; one is killed, its promises still exclude."""
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    async with town_on(folders[0], database) as one, town_on(folders[1], database) as other:
        towns = {f"car-{n}": (one, other)[n % 2] for n in range(16)}
        answers = await asyncio.gather(*(town.ask(car) for car, town in towns.items()))
        firm = set()
        for (car, town), answer in zip(towns.items(), answers, strict=True):
            confirm = wire.ConfirmRequest(recommendation_id=answer.promise.recommendation_id)
            with contextlib.suppress(grpc.aio.AioRpcError):  # nothing was held for this car
                if (await town.cars.Confirm(confirm, timeout=END_S)).promise.choice.hold.claim_id:
                    firm.add(car)
        await one.process.kill()

        firm.add("car-late")
        await asked_until_held(other, "car-late")
        double = run(
            database,
            "SELECT count(*) FROM pilewise.claim a JOIN pilewise.claim b"
            " ON a.claim_id < b.claim_id AND a.evse_id = b.evse_id AND a.slot && b.slot"
            " WHERE a.state <= 3 AND b.state <= 3",
        )
        held = run(database, "SELECT vehicle_id FROM pilewise.claim WHERE state <= 3")

    assert double == [(0,)]
    assert len(firm) > 2
    assert firm <= {car for (car,) in held}
