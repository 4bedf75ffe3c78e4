"""Bay sensors through the whole agent: from a real broker to the coordinator's rows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from durable_edge_service import DurableEdgeService
from local_agent import LocalAgent
from mosquitto_broker import HINT, MOSQUITTO, Broker, free_port
from wallbox import Wallbox

from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import types_pb2 as types

EVSE = "B-01*1"
AVAILABLE, CHARGING = types.EVSE_STATUS_AVAILABLE, types.EVSE_STATUS_CHARGING
STATE_FREE, STATE_CHARGING = 0, 4 << 8


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[tuple[LocalAgent, Broker, Wallbox]]:
    if MOSQUITTO is None:
        pytest.skip(HINT)
    broker = Broker(tmp_path, free_port())
    await broker.start()
    service = DurableEdgeService(tmp_path / "coordinator.db")
    await service.start()
    wallbox = Wallbox()
    port = await wallbox.start()
    more = f'[[pile]]\nuid = "B-01"\nprofile = "abb-terra-ac"\nhost = "127.0.0.1"\nport = {port}\n'
    more += f'period_s = 0.2\n[bay_sensors]\nmqtt = "mqtt://127.0.0.1:{broker.port}"\nttl_s = 1.0\n'
    agent = LocalAgent(tmp_path, service, more)
    yield agent, broker, wallbox
    if agent.process is not None:
        await agent.stop()
    await wallbox.server.shutdown()
    await service.crash()
    await broker.stop()


def told(service: DurableEdgeService, column: str) -> list[int]:
    """A column's entries for the EVSE, over all batches, as they arrived."""
    found: list[int] = []
    for batch in service.batches:
        values = list(getattr(batch, column))
        names = [batch.evse_ids[index] for index in batch.evse_index]
        found += [v for v, name in zip(values, names, strict=False) if name == EVSE]
    return found


@pytest.mark.slow
async def test_E12_lost_broker_leaves_a_stale_bay_that_blocks_nothing(
    site: tuple[LocalAgent, Broker, Wallbox],
) -> None:
    """A taken bay blocks a free pile; when its broker dies it becomes STALE and the pile free.

    Words that were retained block again once the broker is back.
    """
    agent, broker, wallbox = site
    wallbox.put(0x400C, STATE_FREE)
    service = agent.service
    await agent.start()
    where = f"evse_id='{EVSE}' AND status="
    await service.until(lambda: bool(service.rows(f"{where}{AVAILABLE}")), 15)

    await broker.publish(f"pilewise/bay/{EVSE}/occupancy", '{"occupied": true}')
    await service.until(lambda: bool(service.rows(f"{where}{types.EVSE_STATUS_BLOCKED}")), 15)
    free = len(service.rows(f"{where}{AVAILABLE}"))
    await broker.stop()
    await service.until(lambda: len(service.rows(f"{where}{AVAILABLE}")) > free, 15)
    await service.until(lambda: edge.BAY_STATE_STALE in told(service, "bay"), 15)
    blocked = len(service.rows(f"{where}{types.EVSE_STATUS_BLOCKED}"))
    await broker.start()
    await broker.publish(
        f"pilewise/bay/{EVSE}/occupancy", json.dumps({"occupied": True}), retain=True
    )
    await service.until(
        lambda: len(service.rows(f"{where}{types.EVSE_STATUS_BLOCKED}")) > blocked, 40
    )

    statuses = f"{where}{types.EVSE_STATUS_BLOCKED} AND kind={edge.RECORD_KIND_STATUS}"
    reasons = {row[7] for row in service.rows(statuses)}
    assert reasons == {"ICE_OR_UNPLUGGED_VEHICLE"}


@pytest.mark.slow
async def test_E14_charging_beats_an_empty_bay_with_one_event(
    site: tuple[LocalAgent, Broker, Wallbox],
) -> None:
    """A pile that charges beside a bay sensor that says empty stays CHARGING; one event says so."""
    agent, broker, wallbox = site
    wallbox.put(0x400C, STATE_CHARGING)
    service = agent.service
    await agent.start()
    where = f"evse_id='{EVSE}' AND "
    await service.until(lambda: bool(service.rows(f"{where}status={CHARGING}")), 15)

    event = f"{where}kind={edge.RECORD_KIND_EVENT} AND reason='CHARGING_WITH_EMPTY_BAY'"
    for length in range(3):
        await broker.publish(f"pilewise/bay/{EVSE}/occupancy", '{"occupied": false}')
        await broker.publish(f"pilewise/bay/{EVSE}/queue", json.dumps({"length": length}))
        plus_one = length + 1
        await service.until(
            lambda plus_one=plus_one: plus_one in told(service, "queue_length_plus_one"), 15
        )
    await service.until(lambda: bool(service.rows(event)), 15)

    assert len(service.rows(event)) == 1
    assert service.rows(event)[0][5] == CHARGING
    assert not service.rows(f"{where}status={AVAILABLE}")
