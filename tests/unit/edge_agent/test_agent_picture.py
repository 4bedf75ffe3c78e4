"""The live picture: readings and time go in, records come out."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from edge_agent.core.energy_register import Carried, EnergyRegister
from edge_agent.core.occupancy import FusionRules
from edge_agent.core.picture import LivePicture
from edge_agent.core.reading import (
    EvseStatus,
    Fault,
    IecState,
    Reading,
    Record,
    RecordFlags,
    RecordKind,
    StatusSource,
    Surroundings,
    Values,
)

NOW_MS = 1_790_000_000_000
FREE = Reading("E", EvseStatus.AVAILABLE, StatusSource.MODBUS, IecState.A, plugged=False)
CHARGING = Reading(
    "E",
    EvseStatus.CHARGING,
    StatusSource.MODBUS,
    IecState.C,
    values=Values(power_kw=11.0, session_energy_kwh=1.0),
    plugged=True,
)


@pytest.fixture
def picture() -> LivePicture:
    return make()


def make(carried: dict[str, Carried] | None = None) -> LivePicture:
    numbers = count(1)
    made = LivePicture(
        {"E": FusionRules(3.0, 30.0, 2.0)},
        heartbeat_s=20.0,
        new_id=lambda: f"s{next(numbers)}",
        carried=carried,
    )
    made.start(0.0)
    return made


def kinds(records: list[Record]) -> list[RecordKind]:
    return [record.kind for record in records]


def test_status_is_told_once_and_confirmed_by_heartbeat(picture: LivePicture) -> None:
    """An unchanged pile costs one record per heartbeat, and only the first is urgent."""
    told: list[Record] = []
    for second in range(41):
        told += picture.observe(FREE, float(second), NOW_MS + second)

    assert kinds(told) == [RecordKind.STATUS] * 3
    assert [record.urgent for record in told] == [True, False, False]
    assert [record.observed_at_ms - NOW_MS for record in told] == [0, 20, 40]


def test_small_movements_are_not_told(picture: LivePicture) -> None:
    """Power inside the dead band is kept quiet; beyond it a METER record follows."""
    picture.observe(CHARGING, 0.0, NOW_MS)

    inside = picture.observe(
        replace(CHARGING, values=Values(power_kw=11.1, session_energy_kwh=1.0)), 1.0, NOW_MS
    )
    beyond = picture.observe(
        replace(CHARGING, values=Values(power_kw=9.0, session_energy_kwh=1.0)), 2.0, NOW_MS
    )

    assert inside == []
    assert kinds(beyond) == [RecordKind.METER]
    assert beyond[0].values.power_kw == 9.0
    assert not beyond[0].urgent


def test_session_lasts_from_plug_in_to_settled_plug_out(picture: LivePicture) -> None:
    """A Modbus pile's session starts with the plug and ends once Available has settled."""
    picture.observe(FREE, 0.0, NOW_MS)
    began = picture.observe(CHARGING, 1.0, NOW_MS)
    flash = picture.observe(FREE, 2.0, NOW_MS)
    picture.observe(FREE, 3.5, NOW_MS)
    ended = picture.observe(replace(FREE), 4.5, NOW_MS)

    assert kinds(began) == [RecordKind.STATUS, RecordKind.SESSION_START]
    assert RecordKind.STATUS not in kinds(flash)
    assert kinds(ended) == [RecordKind.STATUS, RecordKind.SESSION_END]
    assert began[1].detail is not None
    assert ended[1].detail is not None
    assert began[1].detail.session_id == ended[1].detail.session_id == "s1"


def test_session_and_energy_outlive_a_restart() -> None:
    """After a restart the open session goes on, and the energy register does not fall."""
    picture = make({"E": Carried("old", EnergyRegister(100.0, 0.8))})

    records = picture.observe(CHARGING, 0.0, NOW_MS)

    assert kinds(records) == [RecordKind.STATUS]
    assert records[0].values.energy_kwh == pytest.approx(101.0)


def test_energy_register_rises_over_sessions(picture: LivePicture) -> None:
    """Session energies that start anew add up to a register that only rises."""
    seen: list[float] = []
    for i, session_kwh in enumerate([1.0, 6.0, 0.5, 3.0]):
        values = Values(power_kw=1.0, session_energy_kwh=session_kwh)
        for record in picture.observe(replace(CHARGING, values=values), float(i), NOW_MS):
            if record.values.energy_kwh is not None:
                seen.append(record.values.energy_kwh)

    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(9.0)


def test_faults_begin_and_end(picture: LivePicture) -> None:
    """A fault is told when it begins and when it is gone, each named."""
    picture.observe(FREE, 0.0, NOW_MS)
    broken = replace(FREE, status=EvseStatus.OUTOFORDER, faults=(Fault("CX003", "0x8", "hot"),))

    began = picture.observe(broken, 1.0, NOW_MS)
    ended = picture.observe(replace(FREE), 2.0, NOW_MS)

    assert kinds(began) == [RecordKind.FAULT, RecordKind.STATUS]
    assert kinds(ended) == [RecordKind.FAULT_CLEARED]
    assert began[0].status is EvseStatus.OUTOFORDER
    assert ended[0].detail is not None
    assert ended[0].detail.fault_code == "CX003"


def test_mended_pile_is_free_once_and_stays_so(picture: LivePicture) -> None:
    """The end of a fault does not say AVAILABLE before the debounce does, to take it back after."""
    picture.observe(FREE, 0.0, NOW_MS)
    broken = replace(FREE, status=EvseStatus.OUTOFORDER, faults=(Fault("CX003", "0x8", "hot"),))
    picture.observe(broken, 1.0, NOW_MS)

    told = picture.observe(replace(FREE), 2.0, NOW_MS)
    told += picture.observe(replace(FREE, values=Values(power_kw=1.0)), 2.5, NOW_MS)
    for second in range(3, 8):
        told += picture.observe(replace(FREE), float(second), NOW_MS)

    said = [record.status for record in told]
    assert said[0] is EvseStatus.OUTOFORDER
    assert said[-1] is EvseStatus.AVAILABLE
    assert EvseStatus.OUTOFORDER not in said[said.index(EvseStatus.AVAILABLE) :]


def test_silence_becomes_unknown_by_time_alone(picture: LivePicture) -> None:
    """With no word for three intervals the tick tells UNKNOWN and why, without old values."""
    picture.observe(CHARGING, 0.0, NOW_MS)
    picture.miss("E", "TIMEOUT")

    early = picture.tick(2.9, NOW_MS)
    late = picture.tick(3.0, NOW_MS)

    assert early == []
    assert [record.status for record in late] == [EvseStatus.UNKNOWN]
    assert late[0].detail is not None
    assert late[0].detail.reason == "TIMEOUT"
    assert late[0].values.power_kw is None


def test_never_heard_pile_is_told_unknown(picture: LivePicture) -> None:
    """A pile that never answers is told as UNKNOWN after the same patience."""
    assert picture.tick(2.9, NOW_MS) == []
    assert [record.status for record in picture.tick(3.1, NOW_MS)] == [EvseStatus.UNKNOWN]


def test_E14_conflict_is_told_once_and_names_itself(picture: LivePicture) -> None:
    """Charging with an empty bay is one event that says which contradiction was decided."""
    picture.observe(CHARGING, 0.0, NOW_MS)

    records = picture.bay("E", False, 0.5, 0.5, NOW_MS)
    again = picture.bay("E", False, 1.5, 1.5, NOW_MS)

    assert kinds(records) == [RecordKind.STATUS, RecordKind.EVENT]
    assert again == []
    assert records[1].detail is not None
    assert records[1].detail.reason == "CHARGING_WITH_EMPTY_BAY"


def test_E14_flickering_sensor_is_one_conflict_a_charge(picture: LivePicture) -> None:
    """A sensor that comes and goes tells its conflict once a charge, and again in the next one."""
    told: list[Record] = []
    for second in range(6):
        told += picture.observe(CHARGING, float(second), NOW_MS)
        told += picture.bay("E", second % 2 == 0, float(second), float(second), NOW_MS)
    first = kinds(told).count(RecordKind.EVENT)
    for second in range(6, 10):
        told += picture.observe(FREE, float(second), NOW_MS)
    told += picture.observe(CHARGING, 10.0, NOW_MS)

    assert first == 1
    assert kinds(told).count(RecordKind.EVENT) == 2
    assert all(record.status is not EvseStatus.AVAILABLE for record in told[:first])


def test_counts_around_a_pile_are_told_on_change_and_confirmed(picture: LivePicture) -> None:
    """What a camera counts is one METER record a change; a temperature has a dead band."""
    picture.observe(FREE, 0.0, NOW_MS)

    told = [
        picture.surroundings("E", seen, now_s, NOW_MS)
        for now_s, seen in (
            (1.0, Surroundings(people_count=3, vehicle_count=1)),
            (2.0, Surroundings(people_count=3, vehicle_count=1)),
            (3.0, Surroundings(people_count=4, vehicle_count=1)),
            (4.0, Surroundings(ambient_temperature_c=20.0)),
            (5.0, Surroundings(ambient_temperature_c=20.4)),
            (24.0, Surroundings(ambient_temperature_c=20.4)),
        )
    ]

    assert [len(records) for records in told] == [1, 0, 1, 1, 0, 1]
    assert told[2][0].kind is RecordKind.METER
    assert told[2][0].surroundings == Surroundings(people_count=4, vehicle_count=1)
    assert told[2][0].status is EvseStatus.AVAILABLE


def test_T2_unsynchronised_clock_is_marked(picture: LivePicture) -> None:
    """Records stamped 1970, before the clock was set, say that they are."""
    record = picture.observe(FREE, 0.0, 5_000)[0]

    assert record.flags & RecordFlags.CLOCK_UNSYNCED


def test_E6_suspect_reading_is_marked(picture: LivePicture) -> None:
    """A reading that failed the plausibility check leaves a marked record."""
    picture.observe(CHARGING, 0.0, NOW_MS)

    records = picture.observe(replace(CHARGING, suspect=True), 1.0, NOW_MS)

    assert [record.flags & RecordFlags.IMPLAUSIBLE for record in records] == [
        RecordFlags.IMPLAUSIBLE
    ]


def test_E6_raw_words_travel_with_the_mark(picture: LivePicture) -> None:
    """What was read instead of a value that can be true is kept in the record."""
    picture.observe(CHARGING, 0.0, NOW_MS)
    doubt = "energy_kwh from total_energy = ffff fffe"

    records = picture.observe(replace(CHARGING, suspect=True, doubt=doubt), 1.0, NOW_MS)

    detail = records[-1].detail
    assert detail is not None
    assert (detail.reason, detail.text) == ("IMPLAUSIBLE", doubt)
