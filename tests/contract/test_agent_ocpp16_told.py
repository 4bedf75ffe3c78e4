"""What OCPP 1.6 piles tell becomes records: boots, statuses, transactions, meter values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dialled_gateway import EVSE, NOW, Gateway, available, build, dial, until
from ocpp.v16 import call

from edge_agent.core.reading import EvseStatus, OcppStatus, RecordKind
from edge_agent.piles.ocpp16 import token_hash


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    built = await build(tmp_path)
    yield built
    await built.server.close()
    await built.spool.close()


def gateway_now(gateway: Gateway) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(gateway.pile.now_ms() / 1000, UTC).isoformat()


def _status(gateway: Gateway) -> EvseStatus | None:
    fused = gateway.watch.fused(EVSE)
    return fused.status if fused else None


async def test_boot_is_accepted_and_introduces_the_pile(gateway: Gateway) -> None:
    """A BootNotification is accepted with our heartbeat interval and fills in the pile's facts."""
    dialled = await dial(gateway)

    answer = await dialled.point.call(
        call.BootNotification(
            charge_point_model="Volt 22", charge_point_vendor="Acme", firmware_version="3.1"
        )
    )

    assert (answer.status, answer.interval) == ("Accepted", 20)
    facts = gateway.watch.facts()[0]
    assert (facts.maker, facts.model, facts.firmware) == ("Acme", "Volt 22", "3.1")
    assert facts.sources["maker"] == "boot_notification"
    await dialled.hang_up()


async def test_status_without_boot_and_timestamp_is_taken(gateway: Gateway) -> None:
    """A station that reconnects without booting is believed by its first StatusNotification."""
    dialled = await dial(gateway)

    await dialled.point.call(available())

    fused = gateway.watch.fused(EVSE)
    assert fused is not None
    assert fused.status is EvseStatus.AVAILABLE
    await dialled.hang_up()


async def test_status_of_a_station_with_a_slow_clock_is_stamped_on_receipt(
    gateway: Gateway,
) -> None:
    """A state whose stamp is years old holds now, and its record says so."""
    dialled = await dial(gateway)
    before_ms = gateway.pile.now_ms()

    await dialled.point.call(available(timestamp="2025-06-01T00:00:00Z"))
    await until(lambda: gateway.spool.committed >= 1)

    assert (await gateway.records())[0].observed_at_ms >= before_ms
    await dialled.hang_up()


async def test_status_of_connector_0_speaks_for_the_station(gateway: Gateway) -> None:
    """Unavailable at connector 0 makes every EVSE inoperative, and Available gives them back."""
    dialled = await dial(gateway)
    for connector_id in (1, 2):
        await dialled.point.call(available(connector_id))

    await dialled.point.call(
        call.StatusNotification(connector_id=0, error_code="NoError", status="Unavailable")
    )
    down = [gateway.watch.fused(evse_id) for evse_id in gateway.pile.evse_ids]
    await dialled.point.call(available(0))
    await asyncio.sleep(0.06)
    await dialled.point.call(call.Heartbeat())
    await dialled.point.call(available(1))
    up = gateway.watch.fused(EVSE)

    assert [fused.status for fused in down if fused] == [EvseStatus.INOPERATIVE] * 2
    assert up is not None
    assert up.status is EvseStatus.AVAILABLE
    await dialled.hang_up()


async def test_faulted_with_no_error_is_still_out_of_order(gateway: Gateway) -> None:
    """Faulted with errorCode NoError is a fault all the same."""
    dialled = await dial(gateway)

    await dialled.point.call(
        call.StatusNotification(connector_id=1, error_code="NoError", status="Faulted")
    )
    await until(lambda: gateway.spool.committed >= 2)

    kinds = {record.kind: record for record in await gateway.records()}
    assert kinds[RecordKind.FAULT].detail is not None
    assert kinds[RecordKind.FAULT].detail.fault_code == "OtherError"
    assert kinds[RecordKind.STATUS].status is EvseStatus.OUTOFORDER
    await dialled.hang_up()


async def test_transaction_is_durable_before_it_is_answered(gateway: Gateway) -> None:
    """When StartTransaction is answered, its record lies in the spool, with a hashed token."""
    dialled = await dial(gateway)

    answer = await dialled.point.call(
        call.StartTransaction(connector_id=1, id_tag="TAG1", meter_start=1500, timestamp=NOW)
    )
    record = (await gateway.records())[-1]

    assert answer.transaction_id > 0
    assert record.kind is RecordKind.SESSION_START
    assert record.values.energy_kwh == 1.5
    assert record.detail is not None
    assert record.detail.id_token_hash == token_hash("TAG1")
    await dialled.hang_up()


async def test_repeated_transaction_messages_count_once(gateway: Gateway) -> None:
    """A start that is sent again gets the same id; a second stop adds no record."""
    dialled = await dial(gateway)
    start = call.StartTransaction(connector_id=2, id_tag="T", meter_start=0, timestamp=NOW)
    first = await dialled.point.call(start)
    again = await dialled.point.call(start)
    stop = call.StopTransaction(
        transaction_id=first.transaction_id, meter_stop=4000, timestamp=NOW, reason="Remote"
    )

    await dialled.point.call(stop)
    await dialled.point.call(stop)

    assert again.transaction_id == first.transaction_id
    sessions = [r for r in await gateway.records() if r.detail and r.detail.session_id]
    assert [record.kind for record in sessions] == [
        RecordKind.SESSION_START,
        RecordKind.SESSION_END,
    ]
    assert {record.detail.session_id for record in sessions if record.detail} == {
        sessions[0].detail.session_id if sessions[0].detail else ""
    }
    assert {record.evse_id for record in sessions} == {"P/1*2"}
    await dialled.hang_up()


async def test_late_stop_of_an_unknown_transaction_is_accepted(gateway: Gateway) -> None:
    """The end of a transaction that began elsewhere is kept once and answered."""
    dialled = await dial(gateway)
    stop = call.StopTransaction(transaction_id=991, meter_stop=1, timestamp=NOW)

    await dialled.point.call(stop, suppress=False)
    await dialled.point.call(stop, suppress=False)

    ends = [r for r in await gateway.records() if r.kind is RecordKind.SESSION_END]
    assert len(ends) == 1
    await dialled.hang_up()


async def test_meter_values_reach_the_spool_with_units_converted(gateway: Gateway) -> None:
    """Watts, watt-hours and per cent of MeterValues become kW, kWh and SoC of a record."""
    dialled = await dial(gateway)
    await dialled.point.call(
        call.StatusNotification(connector_id=1, error_code="NoError", status="Charging")
    )

    await dialled.point.call(
        call.MeterValues(
            connector_id=1,
            meter_value=[
                {
                    "timestamp": gateway_now(gateway),
                    "sampledValue": [
                        {"value": "7400", "measurand": "Power.Active.Import", "unit": "W"},
                        {"value": "12500"},
                        {"value": "55", "measurand": "SoC", "unit": "Percent"},
                    ],
                }
            ],
        )
    )

    values = (await gateway.records())[-1].values
    assert (values.power_kw, values.energy_kwh, values.soc_pct) == (7.4, 12.5, 55.0)
    await dialled.hang_up()


async def test_raw_status_travels_beside_the_mapped_one(gateway: Gateway) -> None:
    """SuspendedEV is CHARGING for everybody, and still SuspendedEV in the record."""
    dialled = await dial(gateway)
    await dialled.point.call(
        call.StatusNotification(connector_id=1, error_code="NoError", status="SuspendedEV")
    )
    await until(lambda: gateway.spool.committed >= 1)

    record = (await gateway.records())[0]
    assert (record.status, record.ocpp) == (EvseStatus.CHARGING, OcppStatus.SUSPENDED_EV)
    await dialled.hang_up()
