"""Status words, fault codes, frames, meter values, ranges and waits."""

from __future__ import annotations

import doctest
import importlib
import json
import pkgutil
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ocpp.v16.enums import ChargePointErrorCode, ChargePointStatus
from ocpp.v201.enums import ConnectorStatusEnumType

import edge_agent.core
from edge_agent.core import directive, facts, reading
from edge_agent.core.backoff import full_jitter_s
from edge_agent.core.clock import DomainClock, same_time
from edge_agent.core.faults import (
    KNOWN_CODES,
    OCPP16_ERRORS,
    blameless,
    from_ocpp16,
)
from edge_agent.core.ocpp_clock import StationClock
from edge_agent.core.ocpp_frame import BrokenFrame, Frame, inspect
from edge_agent.core.ocpp_meter import sampled
from edge_agent.core.ranges import covers, leading, normalise, size, subtract
from edge_agent.core.reading import EvseStatus, OcppStatus
from edge_agent.core.status import IEC_TABLE, OCPP16_TABLE, OCPP201_TABLE
from edge_agent.uplink.codec import stored_runs, to_batch
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import types_pb2 as types

CORE = [
    importlib.import_module(f"edge_agent.core.{module.name}")
    for module in pkgutil.iter_modules(edge_agent.core.__path__)
]


@pytest.mark.parametrize("module", CORE, ids=lambda module: module.__name__)
def test_examples_in_core_are_true(module: object) -> None:
    """Every example in a docstring of the core gives what it says."""
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_every_ocpp_word_has_a_status() -> None:
    """All nine words of 1.6 and all five of 2.0.1 are mapped, and only Available is free."""
    assert set(OCPP16_TABLE) == {word.value for word in ChargePointStatus}
    assert set(OCPP201_TABLE) == {word.value for word in ConnectorStatusEnumType}
    for table in (OCPP16_TABLE, OCPP201_TABLE):
        free = [word for word, state in table.items() if state.status is EvseStatus.AVAILABLE]
        assert free == ["Available"]


@pytest.mark.parametrize(
    ("letter", "status"),
    [("A1", "AVAILABLE"), ("B1", "CHARGING"), ("C2", "CHARGING"), ("E", "OUTOFORDER")],
)
def test_iec_letters_have_a_status(letter: str, status: str) -> None:
    """Only state A is free; a pilot fault is out of order."""
    assert IEC_TABLE[letter].status is EvseStatus[status]


def test_every_ocpp_error_has_a_code() -> None:
    """All sixteen error codes of 1.6 are mapped, NoError to nothing."""
    assert set(OCPP16_ERRORS) == {code.value for code in ChargePointErrorCode}
    assert OCPP16_ERRORS["NoError"] == ""


@pytest.mark.parametrize(
    ("error", "vendor_code", "vendor", "codes"),
    [
        ("HighTemperature", None, None, ["CX003"]),
        ("OtherError", "cx017, CX022", None, ["CX017", "CX022"]),
        ("OtherError", "EmergencyStop", None, ["CX008"]),
        ("OtherError", "F042", "com.evgo.mrec", ["OtherError"]),
        ("OtherError", "210", "Alfen", ["WeakSignal"]),
        ("NoError", "CX026", None, ["CX026"]),
        ("SomethingNew", None, None, ["OtherError"]),
    ],
)
def test_faults_are_normalised(
    error: str, vendor_code: str | None, vendor: str | None, codes: list[str]
) -> None:
    """Error codes and vendor codes, also comma lists, end in one vocabulary."""
    found = from_ocpp16(error, vendor_code, None, vendor)

    assert [fault.code for fault in found] == codes
    assert set(codes) <= KNOWN_CODES


def test_lost_link_is_no_fault_of_the_pile() -> None:
    """A weak signal does not count against a pile, a welded contactor does."""
    assert blameless("WeakSignal")
    assert not blameless("CX017")


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_E9_any_bytes_are_judged_without_an_error(raw: bytes) -> None:
    """Whatever arrives is a sound frame or a broken one, never an exception."""
    assert isinstance(inspect(raw), Frame | BrokenFrame)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_E9_any_json_is_judged_without_an_error(value: object) -> None:
    """Any JSON is a sound frame or a broken one, and sound frames have what is needed."""
    judged = inspect(json.dumps(value).encode())

    if isinstance(judged, Frame):
        assert isinstance(value, list)
        assert judged.unique_id == value[1]


def test_broken_answers_are_not_answered() -> None:
    """An answer that is broken gets no answer itself, or two peers would never stop."""
    broken = inspect(b'[3,"7",[]]')

    assert isinstance(broken, BrokenFrame)
    assert not broken.answerable


def test_sampled_values_are_converted() -> None:
    """Default measurand and unit, phases, kilo and Fahrenheit are understood."""
    values = sampled(
        [
            {"value": "2500"},
            {"value": "3.7", "measurand": "Power.Active.Import", "unit": "kW", "phase": "L1"},
            {"value": "3.6", "measurand": "Power.Active.Import", "unit": "kW", "phase": "L2"},
            {"value": "16", "measurand": "Current.Import", "phase": "L1"},
            {"value": "15", "measurand": "Current.Import", "phase": "L2"},
            {"value": "212", "measurand": "Temperature", "unit": "Fahrenheit"},
            {"value": "x", "measurand": "SoC"},
            {"value": "9", "measurand": "Frequency"},
        ]
    )

    assert values.energy_kwh == 2.5
    assert values.power_kw == pytest.approx(7.3)
    assert values.current_a == 16.0
    assert values.temperature_c == pytest.approx(100.0)
    assert values.soc_pct is None


@pytest.mark.parametrize(
    "text", [None, "", "yesterday", "1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z"]
)
def test_absurd_stamps_give_now(text: str | None) -> None:
    """A stamp that is missing, unreadable, from 1970 or from the future is replaced."""
    assert StationClock().told(text, 1_790_000_000_000).at_ms == 1_790_000_000_000


runs = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=8).map(normalise)


@given(runs, runs)
def test_runs_behave_as_sets(
    one: tuple[tuple[int, int], ...], two: tuple[tuple[int, int], ...]
) -> None:
    """Subtraction, size and coverage of runs agree with plain sets."""

    def numbers(some: tuple[tuple[int, int], ...]) -> set[int]:
        return {n for first, last in some for n in range(first, last + 1)}

    left = subtract(one, two)

    assert numbers(left) == numbers(one) - numbers(two)
    assert left == normalise(left)
    assert size(one) == len(numbers(one))
    assert all(covers(one, n, n) == (n in numbers(one)) for n in range(1, 61))
    assert all(n in numbers(one) for n in range(1, leading(one) + 1))


def test_L4_returning_agents_are_spread() -> None:
    """A thousand agents that lost the same coordinator come back over at least 30 seconds."""
    waits = [full_jitter_s(8, random.Random(n), 0.5, 30.0) for n in range(1000)]

    assert max(waits) - min(waits) > 28.0
    assert len({round(wait) for wait in waits}) >= 30


def test_clocks_with_another_speed_differ() -> None:
    """Speed and epoch have to agree, but at speed 1 system UTC rules on both sides."""
    ours = DomainClock(1_000_000, 10.0, 60.0)

    assert same_time(ours, DomainClock(1_600_000, 20.0, 60.0), 100.0)
    assert not same_time(ours, DomainClock(1_000_000, 20.0, 60.0), 100.0)
    assert not same_time(ours, DomainClock(1_000_000, 10.0, 1.0), 100.0)
    assert same_time(DomainClock(0, 0.0), DomainClock(9, 9.0), 100.0)


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (reading.EvseStatus, types.EvseStatus, "EVSE_STATUS_"),
        (reading.StatusSource, types.StatusSource, "STATUS_SOURCE_"),
        (reading.IecState, types.Iec61851State, "IEC61851_STATE_"),
        (reading.OcppStatus, types.OcppStatus, "OCPP_STATUS_"),
        (reading.BayState, edge.BayState, "BAY_STATE_"),
        (reading.RecordKind, edge.RecordKind, "RECORD_KIND_"),
        (directive.Outcome, edge.DirectiveOutcome, "DIRECTIVE_OUTCOME_"),
    ],
)
def test_numbers_are_those_of_the_contract(ours: type, theirs: type, prefix: str) -> None:
    """The core's enums have the contract's names and numbers, and miss none."""
    wanted = {name.removeprefix(prefix): number for name, number in theirs.items()}  # type: ignore[attr-defined]
    mine = {member.name: member.value for member in ours}  # type: ignore[attr-defined]

    assert {"UNSPECIFIED": 0, **mine} == wanted


@pytest.mark.parametrize("name", facts.CONNECTOR_STANDARDS)
def test_every_connector_standard_is_in_the_contract(name: str) -> None:
    """All names a file may use can be told to the coordinator."""
    assert types.ConnectorStandard.Value(f"CONNECTOR_STANDARD_{name.upper()}") > 0


def test_operator_word_beats_the_pile() -> None:
    """What the operator wrote is not overwritten by what a pile tells; the rest is learned."""
    known = facts.PileFacts("P", "P", (), maker="ABB", sources={"maker": facts.CONFIG})

    now = facts.learned(known, {"maker": "Other", "serial": "7", "model": ""}, facts.BOOT)

    assert (now.maker, now.serial, now.model) == ("ABB", "7", "")
    assert now.sources == {"maker": "config", "serial": "boot_notification"}
    assert facts.learned(now, {"serial": "7"}, facts.BOOT) is now


def test_batch_columns_have_one_entry_a_row_or_none() -> None:
    """Columns that nobody fills are left out, half-filled ones carry their presence bits."""
    rows = [
        reading.Record(
            "A",
            reading.RecordKind.METER,
            1,
            EvseStatus.CHARGING,
            reading.StatusSource.OCPP,
            ocpp=OcppStatus.CHARGING,
            values=reading.Values(power_kw=7.0),
        ),
        reading.Record(
            "B",
            reading.RecordKind.STATUS,
            2,
            EvseStatus.AVAILABLE,
            reading.StatusSource.MODBUS,
            queue_length=0,
            detail=reading.Detail(reason="r"),
        ),
        reading.Record(
            "A",
            reading.RecordKind.METER,
            3,
            EvseStatus.CHARGING,
            reading.StatusSource.OCPP,
            values=reading.Values(power_kw=8.0),
        ),
    ]

    batch = to_batch("s", 5, rows)

    assert list(batch.evse_ids) == ["A", "B"]
    assert list(batch.evse_index) == [0, 1, 0]
    assert list(batch.power_kw.values) == [7.0, 0.0, 8.0]
    assert batch.power_kw.presence == b"\x05"
    assert list(batch.ocpp_status) == [3, 0, 0]
    assert list(batch.queue_length_plus_one) == [0, 1, 0]
    assert list(batch.detail_index_plus_one) == [0, 1, 0]
    assert not batch.iec61851_state
    assert not batch.HasField("soc_pct")


def test_stored_ranges_are_one_set() -> None:
    """acked_through and the later runs of a message are joined."""
    stored = edge.StoredRanges(acked_through=4, ranges=[types.SeqRange(first=5, last=6)])

    assert stored_runs(stored) == ((1, 6),)
