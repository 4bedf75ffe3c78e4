"""The agent and simulated charge points of OCPP 1.6 and 2.0.1: the same scenes for both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from certificates import authority
from ocpp_gateway import Gateway, gateway_of, until
from ocpp_simulator import SimulatedStation, simulated

from edge_agent.core.directive import Cancel, Outcome, PollNow, Reserve, SetAvailability, SetPeriod
from edge_agent.core.ocpp_admission import Door
from edge_agent.core.reading import EvseStatus, OcppStatus, Record, RecordFlags, RecordKind
from edge_agent.piles.ocpp_server import Ports
from edge_agent.piles.ocpp_tls import TlsPaths, server_context

VERSIONS = ("ocpp1.6", "ocpp2.0.1")
START, METER, END = RecordKind.SESSION_START, RecordKind.METER, RecordKind.SESSION_END
FREE, TAKEN = EvseStatus.AVAILABLE, EvseStatus.CHARGING
EVSE = "B-01*1"

pytestmark = pytest.mark.slow


class Scene:
    """A gateway and a charge point that found each other."""

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder
        self.version = version
        self._open = AsyncExitStack()
        self.gateway: Gateway
        self.station: SimulatedStation

    async def begin(self, *lines: str, mode: str = "live", **settings: Any) -> Scene:
        """Starts both and waits for the first status of each EVSE."""
        settings = {"settle_s": 60.0, **settings}
        self.gateway = await self._open.enter_async_context(
            gateway_of(self.folder, self.version, **settings)
        )
        self.station = await self._open.enter_async_context(
            simulated(self.folder, self.version, self.gateway.url, *lines, mode=mode)
        )
        await self.shows(FREE)
        await self.shows(FREE, 2)
        return self

    async def end(self) -> None:
        """Stops both."""
        await self._open.aclose()

    async def shows(self, status: EvseStatus, evse: int = 1) -> None:
        """Waits until the agent shows that status."""
        await until(lambda: self.gateway.status(evse) is status)

    async def shows_raw(self, word: OcppStatus, evse: int = 1) -> None:
        """Waits until the agent has that word of the station."""
        await until(lambda: self.gateway.raw(evse) is word)

    async def told(self, *kinds: RecordKind, count: int = 1) -> list[Record]:
        """The records of some kinds, once there are that many."""
        async with asyncio.timeout(60):
            while len(found := await self.gateway.records(*kinds)) < count:
                await asyncio.sleep(0.02)
        return found

    async def perform(self, action: Any, evse_id: str = EVSE) -> Any:
        """What the agent answers to a directive."""
        return await self.gateway.pile.perform(evse_id, action)


@pytest.fixture(params=VERSIONS)
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    """A scene that is not begun yet, of each version."""
    made = Scene(tmp_path, request.param)
    yield made
    await made.end()


async def test_station_boots_and_every_evse_is_known(scene: Scene) -> None:
    """After the boot the agent knows the maker and that both EVSEs are free."""
    await scene.begin()

    facts = scene.gateway.watch.facts()[0]
    assert (facts.maker, facts.model) == ("Pilewise", "Simulated")


async def test_session_from_plug_to_plug_is_one_session(scene: Scene) -> None:
    """Start, samples and end are durable, in order, with one id and the energy of the meter."""
    await scene.begin(mode="stepped")

    await scene.station.plug()
    await scene.station.advance(620)
    await scene.shows_raw(OcppStatus.CHARGING)
    await scene.station.unplug()
    records = await scene.told(START, END, count=2)
    await scene.shows(FREE)

    start, end = records
    assert (start.kind, end.kind) == (START, END)
    assert start.detail is not None
    assert end.detail is not None
    assert start.detail.session_id == end.detail.session_id != ""
    assert end.detail.reason == "EVDisconnected"
    assert start.values.energy_kwh is not None
    assert end.values.energy_kwh is not None
    # Ten minutes at 60 kW.
    assert end.values.energy_kwh - start.values.energy_kwh == pytest.approx(10.0, abs=0.01)


async def test_samples_of_a_running_session_reach_the_record(scene: Scene) -> None:
    """Power, voltage, current and charge of the station's samples are those of the car."""
    await scene.begin(mode="stepped")

    await scene.station.plug()
    await scene.station.advance(120)
    await scene.perform(SetPeriod(1.0))

    def sampled() -> bool:
        return (scene.gateway.pile.words[1].values.power_kw or 0.0) > 0.0

    await until(sampled)
    values = scene.gateway.pile.words[1].values
    assert values.power_kw == pytest.approx(60.0, abs=0.1)
    assert values.soc_pct == pytest.approx(22.8, abs=1.5)
    assert values.voltage_v is not None
    assert values.current_a is not None
    assert values.voltage_v * values.current_a == pytest.approx(60_000, rel=0.01)


async def test_fault_has_its_mrec_code_and_ends(scene: Scene) -> None:
    """A broken contactor is CX017 and OUTOFORDER until it is mended."""
    await scene.begin()

    await scene.station.inject("EVSEContactorFault")
    await scene.shows(EvseStatus.OUTOFORDER)
    await until(lambda: "CX017" in {f.code for f in scene.gateway.pile.words[1].faults})
    await scene.station.clear()
    await scene.shows(FREE)

    records = await scene.told(RecordKind.FAULT, RecordKind.FAULT_CLEARED, count=2)
    named = [(r.kind, r.detail.fault_code) for r in records if r.detail]
    assert (RecordKind.FAULT, "CX017") in named
    assert (RecordKind.FAULT_CLEARED, "CX017") in named


async def test_faulted_without_a_reason_is_a_fault(scene: Scene) -> None:
    """A station that is Faulted and does not say why is out of order all the same."""
    await scene.begin('quirks = ["faulted_no_error"]')

    await scene.station.inject("EVSEContactorFault")
    await scene.shows(EvseStatus.OUTOFORDER)

    records = await scene.told(RecordKind.FAULT)
    assert records[0].detail is not None
    assert records[0].detail.fault_code == "OtherError"


async def test_reservation_is_taken_shown_and_given_up(scene: Scene) -> None:
    """ReserveNow keeps the EVSE, the station shows it, and the cancel frees it."""
    await scene.begin()

    answer = await scene.perform(Reserve("claim-1", 600.0, "TAG-1"))
    await scene.shows(EvseStatus.RESERVED)
    given_up = await scene.perform(Cancel("claim-1"))
    await scene.shows(FREE)

    assert (answer.outcome, answer.message) == (Outcome.DONE, "Accepted")
    assert given_up.outcome is Outcome.DONE


async def test_reserved_evse_waits_for_its_driver(scene: Scene) -> None:
    """Another driver does not start; its own driver does, and uses the reservation up."""
    await scene.begin()
    await scene.perform(Reserve("claim-1", 600.0, "TAG-1"))

    await scene.station.plug(token="TAG-2")
    await scene.station.unplug()
    await scene.station.plug(token="TAG-1")
    start = await scene.told(START)
    cancelled = await scene.perform(Cancel("claim-1"))

    assert len(start) == 1
    assert cancelled.outcome is Outcome.DONE
    assert "used" in cancelled.message


@pytest.mark.parametrize(
    ("quirk", "outcome", "word"),
    [
        ("reserve_unreported", Outcome.DONE, "does not show Reserved"),
        ("reserve_not_implemented", Outcome.UNSUPPORTED, "NotImplemented"),
    ],
)
async def test_hold_tells_what_the_station_really_does(
    scene: Scene, quirk: str, outcome: Outcome, word: str
) -> None:
    """Taken but never shown is firm with a note; not implemented leaves it to a soft hold."""
    await scene.begin(f'quirks = ["{quirk}"]')

    answer = await scene.perform(Reserve("claim-1", 600.0, "TAG-1"))

    assert answer.outcome is outcome
    assert word in answer.message


async def test_reservation_of_a_taken_evse_is_refused_with_the_word(scene: Scene) -> None:
    """Occupied, Faulted and Unavailable are the station's own words for no."""
    await scene.begin()
    words = []

    await scene.station.plug()
    await scene.shows(TAKEN)
    words.append(await scene.perform(Reserve("a", 60.0, "T")))
    await scene.station.inject("PilotFault", 2)
    words.append(await scene.perform(Reserve("b", 60.0, "T"), "B-01*2"))
    await scene.station.clear(2)
    await scene.perform(SetAvailability(False), "B-01*2")
    words.append(await scene.perform(Reserve("c", 60.0, "T"), "B-01*2"))

    assert [answer.message for answer in words] == ["Occupied", "Faulted", "Unavailable"]
    assert {answer.outcome for answer in words} == {Outcome.REFUSED}


async def test_availability_waits_for_the_transaction(scene: Scene) -> None:
    """Out of service at once where nothing runs, scheduled where something does."""
    await scene.begin()

    at_once = await scene.perform(SetAvailability(False), "B-01*2")
    await scene.shows(EvseStatus.INOPERATIVE, 2)
    await scene.station.plug()
    await scene.told(START)
    later = await scene.perform(SetAvailability(False))
    during = scene.gateway.status()
    await scene.station.unplug()
    await scene.shows(EvseStatus.INOPERATIVE)
    back = await scene.perform(SetAvailability(True))
    await scene.shows(FREE)

    assert (at_once.outcome, back.outcome) == (Outcome.DONE, Outcome.DONE)
    assert later.message.startswith("Scheduled")
    assert during is not EvseStatus.INOPERATIVE


async def test_E11_what_happened_offline_comes_once_and_in_order(scene: Scene) -> None:
    """Sessions of a time without a link are told afterwards, with the time they happened."""
    await scene.begin()
    await scene.station.inject("wire:disconnect")
    await scene.shows(EvseStatus.UNKNOWN)

    for _ in range(3):
        await scene.station.plug()
        await scene.station.unplug()
    away_ms = scene.gateway.pile.now_ms()
    await until(lambda: scene.gateway.pile.now_ms() > away_ms + 200)
    await scene.station.clear()
    records = await scene.told(START, END, count=6)
    await scene.shows(FREE)

    assert [record.kind for record in records] == [START, END] * 3
    assert all(record.observed_at_ms <= away_ms + 50 for record in records)
    ids = [record.detail.session_id for record in records if record.detail]
    assert ids[0::2] == ids[1::2]
    assert len(set(ids)) == 3


async def test_session_id_is_stable_over_a_lost_link(scene: Scene) -> None:
    """A link that breaks within a session breaks no session."""
    await scene.begin()
    await scene.station.plug()
    await scene.told(START)

    await scene.station.inject("wire:disconnect")
    await scene.shows(EvseStatus.UNKNOWN)
    await scene.station.clear()
    await scene.shows(TAKEN)
    await scene.station.unplug()
    records = await scene.told(START, END, count=2)

    assert [record.kind for record in records] == [START, END]
    assert len({record.detail.session_id for record in records if record.detail}) == 1


@pytest.mark.parametrize("version", VERSIONS)
async def test_station_that_never_boots_is_believed(tmp_path: Path, version: str) -> None:
    """After the agent restarts nothing boots: the first statuses are enough, and a session ends."""
    async with AsyncExitStack() as stack:
        async with gateway_of(tmp_path, version, settle_s=60.0) as first:
            port = first.number
            station = await stack.enter_async_context(simulated(tmp_path, version, first.url))
            await until(lambda: first.status() is FREE)
            await station.plug()
            async with asyncio.timeout(60):
                while not await first.records(START):
                    await asyncio.sleep(0.02)
        async with gateway_of(tmp_path, version, port, settle_s=60.0) as second:
            await until(lambda: second.status() is TAKEN)
            await station.unplug()
            async with asyncio.timeout(60):
                while not (ends := await second.records(END)):
                    await asyncio.sleep(0.02)
            starts = await second.records(START)
            told = second.watch.facts()[0].maker

    assert told == ""
    assert [r.detail.session_id for r in starts if r.detail] == [
        r.detail.session_id for r in ends if r.detail
    ]


async def test_wishes_are_applied_and_refusals_told_once(scene: Scene) -> None:
    """Settings that differ are changed; one that the station refuses is an event, once."""
    wishes = {"meter_value_sample_interval_s": 7.0, "clock_aligned_data_interval_s": 900.0}
    fixed = '[pile.ocpp]\nfixed = ["ClockAlignedDataInterval"]'
    await scene.begin(fixed, settle_s=0.05, wishes=wishes)

    def sample_s() -> float:
        desk = getattr(scene.station.simulator._ocpp["B-01"], "_desk")  # noqa: B009
        old = scene.version == "ocpp1.6"
        key = "MeterValueSampleInterval" if old else "SampledDataCtrlr.TxUpdatedInterval"
        return float(desk.settings.seconds(key))

    await until(lambda: sample_s() == 7.0)
    for _ in range(2):
        await scene.station.inject("wire:disconnect")
        await scene.shows(EvseStatus.UNKNOWN)
        await scene.station.clear()
        await scene.shows(FREE)
    if scene.version == "ocpp1.6":
        await scene.told(RecordKind.EVENT)

    texts = [r.detail.text for r in await scene.gateway.records(RecordKind.EVENT) if r.detail]
    refused = ["ClockAlignedDataInterval=900: Rejected"]
    assert texts == (refused if scene.version == "ocpp1.6" else [])


async def test_status_is_asked_for_once_a_minute_only(scene: Scene) -> None:
    """PollNow triggers a status; the next one within the floor is refused unasked."""
    await scene.begin()

    first = await scene.perform(PollNow())
    second = await scene.perform(PollNow())

    assert first.outcome is Outcome.DONE
    assert second.outcome is Outcome.REFUSED
    assert "too often" in second.message


async def test_transaction_is_started_and_stopped_from_afar(scene: Scene) -> None:
    """A remote start waits for the cable and begins for that token; a remote stop ends it."""
    await scene.begin()
    asks = scene.gateway.pile.asks
    assert asks is not None

    begun = await asks.start(1, "APP-1", 5)
    await scene.station.plug(token="APP-1")
    start = (await scene.told(START))[0]
    number = await _transaction_id(scene)
    ended = await asks.stop(number)
    end = (await scene.told(END))[0]
    strange = await asks.stop("77")

    assert (begun.outcome, ended.outcome) == (Outcome.DONE, Outcome.DONE)
    assert strange.outcome is Outcome.REFUSED
    assert start.detail is not None
    assert end.detail is not None
    assert start.detail.session_id == end.detail.session_id
    assert end.detail.reason == "Remote"


async def _transaction_id(scene: Scene) -> str:
    def look(file: Any) -> str:
        table = "ocpp_transaction" if scene.version == "ocpp1.6" else "ocpp_event"
        row = file.connection.execute(f"SELECT transaction_id FROM {table}").fetchone()
        return str(row[0])

    return await scene.gateway.spool.call(look)


async def test_station_is_unlocked_and_boots_again_when_asked(scene: Scene) -> None:
    """UnlockConnector and Reset are answered; after a reset the station introduces itself."""
    await scene.begin()
    asks = scene.gateway.pile.asks
    assert asks is not None

    unlocked = await asks.unlock(1)
    reset = await asks.reset(hard=True)
    await until(lambda: scene.gateway.pile.asks not in (None, asks))
    await scene.shows(FREE)

    assert unlocked.message == "Unlocked"
    assert reset.outcome is Outcome.DONE


@pytest.mark.parametrize("quirk", ["stamps_1970", "stamps_local"])
async def test_wrong_clock_is_replaced_by_receipt_and_flagged(scene: Scene, quirk: str) -> None:
    """Stamps from 1970 or hours ahead become the time of receipt, and say so."""
    await scene.begin(f'quirks = ["{quirk}"]')
    before_ms = scene.gateway.pile.now_ms()

    await scene.station.plug()
    start = (await scene.told(START))[0]
    after_ms = scene.gateway.pile.now_ms()

    assert start.flags & RecordFlags.CLOCK_UNSYNCED
    assert before_ms - 500 <= start.observed_at_ms <= after_ms


async def test_offset_without_minutes_is_understood(scene: Scene) -> None:
    """A stamp that ends in +02 is right, and not flagged."""
    await scene.begin('quirks = ["stamps_offset"]')

    await scene.station.plug()
    start = (await scene.told(START))[0]

    assert not start.flags & RecordFlags.CLOCK_UNSYNCED
    assert abs(scene.gateway.pile.now_ms() - start.observed_at_ms) < 10_000


async def test_station_without_subprotocol_is_served_by_opt_in(scene: Scene) -> None:
    """A station that offers no sub-protocol is served where that is allowed."""
    await scene.begin('quirks = ["no_subprotocol"]', lenient=True)

    await scene.station.plug()

    assert len(await scene.told(START)) == 1


@pytest.mark.parametrize("profile", [1, 2, 3])
async def test_station_proves_itself_by_each_security_profile(
    scene: Scene, tmp_path: Path, profile: int
) -> None:
    """Password on ws, password on wss, certificate on wss: each station gets in by its own."""
    key = "correct-horse-battery"
    (tmp_path / "key").write_text(key)
    lines = ['password_file = "key"'] if profile < 3 else []
    ports = Ports(("127.0.0.1", 0))
    if profile > 1:
        ca = authority(tmp_path / "ca")
        shown = ca.issue("localhost", alt="IP:127.0.0.1,DNS:localhost")
        own = ca.issue("B-01")
        lines.append('ca_file = "ca/ca.pem"')
        if profile == 3:
            lines += [f'cert_file = "ca/{own.cert.name}"', f'key_file = "ca/{own.key.name}"']
        context = server_context(
            TlsPaths(shown.cert, shown.key, ca.own.cert if profile == 3 else None),
            everybody_certified=profile == 3,
            on_failure=lambda _: None,
        )
        ports = Ports(None, ("127.0.0.1", 0), context)
    keys = (key.encode(),) if profile < 3 else ()
    door = Door("B-01", (scene.version,), profile, keys)

    await scene.begin(*lines, door=door, ports=ports)

    assert scene.gateway.url.startswith("ws:" if profile == 1 else "wss:")
    assert scene.gateway.server.refused == 0
