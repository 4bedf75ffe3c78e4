"""Hand-written OCPP 1.6 frames of the kinds that real stations send and the book does not name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ocpp_gateway import Gateway, gateway_of, raw_station, until

from edge_agent.core.reading import EvseStatus, RecordFlags, RecordKind


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway that asks nothing by itself."""
    async with gateway_of(tmp_path, "ocpp1.6", settle_s=60.0) as built:
        yield built


def status(word: str, connector: int = 1, error: str = "NoError", **more: Any) -> dict[str, Any]:
    return {"connectorId": connector, "status": word, "errorCode": error, **more}


async def faults_of(gateway: Gateway) -> list[tuple[str, str]]:
    records = await gateway.records(RecordKind.FAULT)
    return [(r.detail.fault_code, r.detail.vendor_code) for r in records if r.detail]


async def test_several_mrec_codes_in_one_field_are_several_faults(gateway: Gateway) -> None:
    """A comma-joined vendorErrorCode names each fault, with its text from the list in info."""
    frame = status(
        "Faulted",
        error="OtherError",
        vendorId="https://chargex.inl.gov",
        vendorErrorCode="CX014,CX023",
        info="pilot low,proximity open",
    )
    async with raw_station(gateway) as station:
        await station.call("StatusNotification", frame)

    await until(lambda: gateway.spool.committed >= 3)
    assert await faults_of(gateway) == [("CX014", "CX014"), ("CX023", "CX023")]


async def test_network_codes_in_one_field_are_split_by_their_names(gateway: Gateway) -> None:
    """Codes of another numbering are known by the names beside them; the rest stays together."""
    frame = status(
        "Faulted",
        error="OtherError",
        vendorId="com.evgo.mrec",
        vendorErrorCode="F002,A011,F017",
        info="GroundFailure,Card unreadable,Door open",
    )
    async with raw_station(gateway) as station:
        await station.call("StatusNotification", frame)

    await until(lambda: gateway.spool.committed >= 3)
    assert await faults_of(gateway) == [("CX002", "F002"), ("OtherError", "A011,F017")]


async def test_faulted_station_breaks_every_evse(gateway: Gateway) -> None:
    """Connector 0 that is Faulted takes both EVSEs out of order, and Available gives them back."""
    async with raw_station(gateway) as station:
        for connector in (1, 2):
            await station.call("StatusNotification", status("Available", connector))
        await station.call("StatusNotification", status("Faulted", 0, "GroundFailure"))
        broken = [gateway.status(n) for n in (1, 2)]
        await station.call("StatusNotification", status("Available", 0))
        await until(lambda: gateway.status(1) is EvseStatus.AVAILABLE)

    assert broken == [EvseStatus.OUTOFORDER] * 2


async def test_each_connector_boots_in_a_state_of_its_own(gateway: Gateway) -> None:
    """One station may come up with a free, and a taken connector, and an unknown third."""
    async with raw_station(gateway) as station:
        await station.call("StatusNotification", status("Available"))
        await station.call("StatusNotification", status("Charging", 2))
        await station.call("StatusNotification", status("Faulted", 3))

    assert (gateway.status(1), gateway.status(2)) == (EvseStatus.AVAILABLE, EvseStatus.CHARGING)


@pytest.mark.parametrize(
    ("stamp", "flagged"),
    [
        (None, False),
        ("1970-01-01T00:03:11Z", True),
        ("not a time", True),
        ("2031-01-01T00:00:00Z", True),
    ],
)
async def test_status_is_stamped_on_receipt(
    gateway: Gateway, stamp: str | None, flagged: bool
) -> None:
    """Without a stamp receipt counts; with a wrong one too, and the record says so."""
    frame = status("Charging", **({"timestamp": stamp} if stamp else {}))
    before_ms = gateway.pile.now_ms()
    async with raw_station(gateway) as station:
        await station.call("StatusNotification", frame)

    await until(lambda: gateway.spool.committed >= 1)
    record = (await gateway.records(RecordKind.STATUS))[0]
    assert record.observed_at_ms >= before_ms
    assert bool(record.flags & RecordFlags.CLOCK_UNSYNCED) is flagged


async def test_clock_that_was_caught_ahead_sets_queued_messages_back(gateway: Gateway) -> None:
    """After a status two hours ahead, a start of "an hour ahead" is an hour old, and flagged."""
    async with raw_station(gateway) as station:
        await station.call("StatusNotification", status("Charging", timestamp=gateway.stamp(-7200)))
        await station.call(
            "StartTransaction",
            {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": gateway.stamp(-3600)},
        )

    start = (await gateway.records(RecordKind.SESSION_START))[0]
    age_s = (gateway.pile.now_ms() - start.observed_at_ms) / 1000
    assert age_s == pytest.approx(3600, abs=5)
    assert start.flags & RecordFlags.CLOCK_UNSYNCED


async def test_vendor_messages_are_counted_and_go_to_their_hook(gateway: Gateway) -> None:
    """DataTransfer of an unknown vendor is counted; a hook answers for the vendor it knows."""
    heard = []

    def hook(message: Any) -> str:
        heard.append(message["data"])
        return "Accepted"

    gateway.pile.vendor_hooks["com.acme"] = hook
    async with raw_station(gateway) as station:
        strange = await station.call("DataTransfer", {"vendorId": "org.other", "data": "x"})
        known = await station.call("DataTransfer", {"vendorId": "com.acme", "data": "door"})

    assert (strange["status"], known["status"]) == ("UnknownVendorId", "Accepted")
    assert heard == ["door"]
    assert gateway.pile.counts["DataTransfer org.other"] == 1


async def test_news_of_diagnostics_firmware_and_security_are_answered(gateway: Gateway) -> None:
    """All four kinds are answered; firmware and security become events."""
    at = gateway.stamp()
    async with raw_station(gateway) as station:
        await station.call("DiagnosticsStatusNotification", {"status": "Uploaded"})
        await station.call("LogStatusNotification", {"status": "Uploaded"})
        await station.call("FirmwareStatusNotification", {"status": "Installed"})
        await station.call(
            "SecurityEventNotification", {"type": "StartupOfTheDevice", "timestamp": at}
        )

    events = [r.detail.reason for r in await gateway.records(RecordKind.EVENT) if r.detail]
    assert events == ["FIRMWARE_STATUS", "SECURITY_EVENT"]
    assert gateway.pile.counts["DiagnosticsStatusNotification Uploaded"] == 1


async def test_stop_of_a_transaction_begun_elsewhere_is_accepted(gateway: Gateway) -> None:
    """A late stop is Accepted with its driver, and kept once, whoever gave it its number."""
    stop = {"transactionId": 88, "meterStop": 5, "timestamp": gateway.stamp(), "idTag": "T"}
    async with raw_station(gateway) as station:
        answers = [await station.call("StopTransaction", stop) for _ in range(2)]

    assert answers == [{"idTagInfo": {"status": "Accepted"}}] * 2
    assert len(await gateway.records(RecordKind.SESSION_END)) == 1


async def test_meter_that_was_reset_within_a_session_never_falls(gateway: Gateway) -> None:
    """A register that drops goes on where it was; the doubtful sample is marked."""

    def meter(wh: float) -> dict[str, Any]:
        sample = {"timestamp": gateway.stamp(), "sampledValue": [{"value": f"{wh}"}]}
        return {"connectorId": 1, "meterValue": [sample]}

    async with raw_station(gateway) as station:
        await station.call("StatusNotification", status("Charging"))
        for wh in (50_000, 51_000, 200, 1_200):
            await station.call("MeterValues", meter(wh))

    told = [r for r in await gateway.records() if r.values.energy_kwh is not None]
    energies = [r.values.energy_kwh for r in told]
    assert energies == sorted(e for e in energies if e is not None)
    assert energies[-1] == pytest.approx(52.0)
    assert [r for r in told if r.flags & RecordFlags.IMPLAUSIBLE]
