"""OperatorService and the process of a real coordinator."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias
from urllib.request import urlopen

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from wire_agent import WireAgent, batch, pile

from city_sim.messages import station_message
from coordinator.errors import DirectoryBusy
from coordinator.importers import Files, import_into_store, read_files
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import district_service_pb2 as district
from pilewise.v1 import district_service_pb2_grpc, operator_service_pb2_grpc
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow
Stub: TypeAlias = "operator_service_pb2_grpc.OperatorServiceAsyncStub"
DATA = Path(os.environ.get("PILEWISE_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[CoordinatorProcess]:
    process = CoordinatorProcess(tmp_path, metrics="127.0.0.1:0")
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
async def operator(coordinator: CoordinatorProcess) -> AsyncIterator[Stub]:
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        yield operator_service_pb2_grpc.OperatorServiceStub(channel)


async def live(operator: Stub, **request: object) -> dict[str, op.LiveEvse]:
    """The whole live picture, page by page."""
    found: dict[str, op.LiveEvse] = {}
    token = ""
    while True:
        page = nouns.PageRequest(page_size=1000, page_token=token)
        asked = op.OperatorServiceListPilesRequest(page=page, **request)  # type: ignore[arg-type]
        answer = await operator.ListPiles(asked, timeout=10)
        found |= {entry.evse.evse_id: entry for entry in answer.evses}
        token = answer.next_page_token
        if not token:
            return found


async def test_watch_tells_what_happens_and_resumes(
    coordinator: CoordinatorProcess, operator: Stub
) -> None:
    """A watch sees a status change; a second one, resumed before it, sees it again."""
    watch = operator.Watch(op.OperatorServiceWatchRequest(kinds=["STATUS"]), timeout=20)
    await watch.initial_metadata()
    async with WireAgent(coordinator.address, piles=[pile("P1")]) as agent:
        await agent.report(batch("spool-1", 1, ["P1*1"], [nouns.EVSE_STATUS_OUTOFORDER]))
        event = await watch.read()
    resumed = operator.Watch(
        op.OperatorServiceWatchRequest(after_event_id=event.event_id - 1), timeout=20
    )
    again = await resumed.read()

    assert (event.kind, event.evse_id) == ("STATUS", "P1*1")
    assert dict(event.facts) == {"before": "UNKNOWN", "after": "OUTOFORDER"}
    assert again == event


async def test_the_picture_is_shown_with_filters_and_pages(
    coordinator: CoordinatorProcess, operator: Stub
) -> None:
    """Statuses and stations filter; pages give each EVSE once; indexes count them."""
    piles = [pile(f"P{n}", f"S{n % 2}") for n in range(5)]
    async with WireAgent(coordinator.address, piles=piles) as agent:
        names = ["P0*1", "P1*1", "P2*1"]
        busy, free = nouns.EVSE_STATUS_CHARGING, nouns.EVSE_STATUS_AVAILABLE
        await agent.report(batch("spool-1", 1, names, [busy, free, free]))
        for _ in range(200):
            charging = await live(operator, statuses=[busy])
            if charging:
                break
        at_station = await live(operator, station_ids=["S1"])
        first = await operator.ListPiles(
            op.OperatorServiceListPilesRequest(page=nouns.PageRequest(page_size=3)), timeout=10
        )
        indexes = (await operator.GetIndexes(op.GetIndexesRequest(), timeout=10)).indexes

    assert list(charging) == ["P0*1"]
    assert charging["P0*1"].agent_id == "agent-1"
    assert charging["P0*1"].source == nouns.STATUS_SOURCE_MODBUS
    assert sorted(at_station) == ["P1*1", "P3*1"]
    assert at_station["P3*1"].status == nouns.EVSE_STATUS_UNKNOWN
    assert at_station["P3*1"].reason == "nothing heard yet"
    assert len(first.evses) == 3
    assert first.next_page_token
    assert (indexes["evses"], indexes["evses_charging"], indexes["evses_unknown"]) == (5, 1, 2)
    assert indexes["records_stored"] == 3


async def test_wrong_entries_are_answered_and_the_others_taken(operator: Stub) -> None:
    """A station with impossible coordinates is refused by index and field, its neighbour kept."""
    good = nouns.Station(
        station_id="S1",
        position=nouns.Position(latitude_deg=22.5, longitude_deg=114.0),
        piles=[pile("P1")],
    )
    bad = nouns.Station(
        station_id="S2", position=nouns.Position(latitude_deg=220.5, longitude_deg=114.0)
    )
    answer = await operator.PutStations(op.PutStationsRequest(stations=[bad, good]), timeout=10)
    tariffs = await operator.PutTariffs(
        op.PutTariffsRequest(tariffs=[op.Tariff(tariff_id="T1", currency="yuan")]), timeout=10
    )

    assert (answer.accepted_count, answer.rejected_count) == (1, 1)
    assert (answer.errors[0].index, answer.errors[0].field) == (
        0,
        "stations[0].position.latitude_deg",
    )
    assert tariffs.errors[0].field == "tariffs[0].currency"
    assert list(await live(operator)) == ["P1*1"]


@pytest.mark.parametrize(
    ("field", "element"),
    [
        ("start_time", op.TariffElement(dimension="ENERGY", start_time="25:00")),
        ("end_time", op.TariffElement(dimension="ENERGY", start_time="07:00", end_time="7")),
        ("weekdays", op.TariffElement(dimension="ENERGY", weekdays=[8])),
        ("price", op.TariffElement(dimension="ENERGY", price=nouns.Money(micros=10**15))),
        ("dimension", op.TariffElement(dimension="KWH")),
    ],
)
async def test_a_tariff_that_cannot_be_read_is_refused_by_its_field(
    operator: Stub, field: str, element: op.TariffElement
) -> None:
    """The field is named, and the tariff beside it is taken."""
    bad = op.Tariff(tariff_id="T1", currency="CNY", elements=[element])
    good = op.Tariff(tariff_id="T2", currency="CNY")
    answer = await operator.PutTariffs(op.PutTariffsRequest(tariffs=[bad, good]), timeout=10)

    assert (answer.accepted_count, answer.rejected_count) == (1, 1)
    assert answer.errors[0].field == f"tariffs[0].elements[0].{field}"


@pytest.mark.parametrize("seconds", [-1, 32_503_680_000, 2**62])
async def test_instants_that_no_calendar_has_are_refused_by_their_field(
    operator: Stub, seconds: int
) -> None:
    """Whatever is written with an instant later, as OCPI's tariffs are, can be written."""
    never = Timestamp(seconds=seconds)
    window = charging.TimeWindow(to_at=never)
    tariff = op.Tariff(tariff_id="T1", currency="CNY", valid=window)
    user = op.UserRecord(user_id="U1", vip_until=never)
    tariffs = await operator.PutTariffs(op.PutTariffsRequest(tariffs=[tariff]), timeout=10)
    users = await operator.PutUsers(op.PutUsersRequest(users=[user]), timeout=10)
    piles = [nouns.PileFacts(pile_id="P1", commissioned_at=never)]
    facts = await operator.PutPiles(op.PutPilesRequest(piles=piles), timeout=10)
    told = [answer.errors[0].field for answer in (tariffs, users, facts)]

    assert told == ["tariffs[0].valid.to_at", "users[0].vip_until", "piles[0].commissioned_at"]


async def test_an_evse_cannot_have_two_homes(operator: Stub) -> None:
    """The same EVSE in two stations is refused, and nothing of the request is taken."""
    where = nouns.Position(latitude_deg=22.5, longitude_deg=114.0)
    stations = [
        nouns.Station(station_id=name, position=where, piles=[pile("P1")]) for name in ("S1", "S2")
    ]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await operator.PutStations(op.PutStationsRequest(stations=stations), timeout=10)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "P1" in (caught.value.details() or "")
    assert await live(operator) == {}


async def test_gcj02_positions_are_converted_once(operator: Stub) -> None:
    """A station given on a Chinese map is stored and shown in WGS84."""
    where = nouns.Position(
        latitude_deg=22.540383, longitude_deg=114.063014, datum=nouns.DATUM_GCJ02
    )
    station = nouns.Station(station_id="S1", position=where, piles=[pile("P1")])
    await operator.PutStations(op.PutStationsRequest(stations=[station]), timeout=10)
    shown = (await live(operator))["P1*1"].evse.position

    assert shown.latitude_deg == pytest.approx(22.5431, abs=1e-5)
    assert shown.longitude_deg == pytest.approx(114.0579, abs=1e-5)


async def test_the_real_city_is_imported_and_survives_a_restart(
    coordinator: CoordinatorProcess, operator: Stub
) -> None:
    """1,362 stations go through OperatorService and are there after SIGKILL."""
    path = DATA / "shenzhen" / "stations_urbanev.csv"
    if not path.exists():
        pytest.skip("needs ../shared/data or PILEWISE_DATA")
    stations = read_files(Files(stations=(path,))).stations
    for start in range(0, len(stations), 200):
        part = op.PutStationsRequest(
            stations=[station_message(s) for s in stations[start : start + 200]]
        )
        answer = await operator.PutStations(part, timeout=30)
        assert list(answer.errors) == []
    await coordinator.kill()
    await coordinator.start()

    assert len(stations) == 1_362
    assert coordinator.ready["evses"] == 17_532


async def test_the_store_is_opened_by_one_process_only(
    tmp_path: Path, coordinator: CoordinatorProcess
) -> None:
    """While a coordinator runs, neither an import nor a second one opens its directory."""
    stations = tmp_path / "stations.csv"
    stations.write_text("station_id,latitude,longitude,fast,slow\n1,22.5,114.0,1,1\n")
    imported = read_files(Files(stations=(stations,)))
    with pytest.raises(DirectoryBusy):
        await import_into_store(coordinator.data_dir, imported)
    second = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "coordinator",
        "-c",
        str(coordinator.config),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await second.communicate()
    await coordinator.stop()
    counts = await import_into_store(coordinator.data_dir, imported)
    await coordinator.start()

    assert second.returncode == 3
    assert b"error[STORE-010]" in said
    assert counts["evses"] == coordinator.ready["evses"] == 2


async def test_a_port_in_use_is_a_fault_of_the_file(
    tmp_path: Path, coordinator: CoordinatorProcess
) -> None:
    """The second coordinator on a port exits with 3 and names file and line."""
    config = tmp_path / "second.toml"
    config.write_text(
        f'[coordinator]\ndistrict = "d"\ndata_dir = "{tmp_path}/two"\n'
        f'listen = "{coordinator.address}"\n'
    )
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "coordinator", "-c", str(config), stderr=asyncio.subprocess.PIPE
    )
    _, said = await second.communicate()

    assert second.returncode == 3
    assert f"error[CFG-011]: {config}:4:".encode() in said
    assert b"hint:" in said


async def test_health_reflection_and_metrics_answer(
    coordinator: CoordinatorProcess, operator: Stub
) -> None:
    """Each service is healthy, reflected, and counted on the metrics page."""
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(
            health_pb2.HealthCheckRequest(service="pilewise.v1.EdgeService"), timeout=10
        )
        reflected = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=10
        )
        services = {
            service.name
            async for response in reflected
            for service in response.list_services_response.service
        }
    async with WireAgent(coordinator.address, piles=[pile("P1")]) as agent:
        await agent.report(batch("spool-1", 1, ["P1*1"] * 7))
        url = f"http://{coordinator.ready['metrics']}/metrics"
        page = await asyncio.to_thread(lambda: urlopen(url, timeout=10).read().decode())

    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert {"pilewise.v1.EdgeService", "pilewise.v1.OperatorService"} <= services
    assert "pilewise_coordinator_records_stored_total 7.0" in page


async def test_what_is_not_built_says_so(coordinator: CoordinatorProcess) -> None:
    """A method of the contract without a servicer is UNIMPLEMENTED, not a crash."""
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        city = district_service_pb2_grpc.DistrictServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await city.WatchClaims(district.WatchClaimsRequest(), timeout=20).read()

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_holds_are_not_commanded_by_hand(operator: Stub) -> None:
    """Reserve belongs to the ledger; an operator's command of it is refused."""
    directive = edge.Directive(reserve=edge.Reserve(claim_id="c", duration_s=60))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await operator.Command(
            op.CommandRequest(evse_ids=["P1*1"], directive=directive), timeout=10
        )

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("form", ["geojson", "ocpi", "csv"])
async def test_an_export_reads_back_the_same(tmp_path: Path, operator: Stub, form: str) -> None:
    """Stations exported in any form are read again with the same places and plugs."""
    where = nouns.Position(latitude_deg=22.5, longitude_deg=114.25)
    station = nouns.Station(station_id="S1", name="One", position=where, piles=[pile("P1")])
    await operator.PutStations(op.PutStationsRequest(stations=[station]), timeout=10)
    chunks = [c.chunk async for c in operator.Export(op.ExportRequest(format=form), timeout=10)]
    path = tmp_path / f"stations.{'csv' if form == 'csv' else 'json'}"
    path.write_bytes(b"".join(chunks))

    (again,) = read_files(Files(stations=(path,))).stations

    assert (again.station_id, again.name) == ("S1", "One")
    assert (again.latitude_deg, again.longitude_deg) == (22.5, 114.25)
    (evse,) = again.piles[0].evses
    assert evse.evse_id == "P1*1"
    assert evse.connectors[0].max_power_kw == 60


async def test_the_ready_line_says_what_runs(coordinator: CoordinatorProcess) -> None:
    """One line of JSON with the district, the addresses bound and the models served."""
    ready = coordinator.ready

    assert ready["event"] == "ready"
    assert ready["district"] == "test"
    assert not ready["grpc"].endswith(":0")
    assert json.dumps(ready["models"])
