"""What the plugin makes of messages and readings, without a process."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edge_agent.core.reading import EvseStatus, Fault, IecState, OcppStatus, Reading, Values
from edge_agent.core.reading import StatusSource as Source
from pilewise.v1 import bench_service_pb2 as pb
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import types_pb2 as nouns
from pytest_pilewise import Detection, Register, detection_cases
from pytest_pilewise.detection import marked_cases
from pytest_pilewise.device import state_of as device_state
from pytest_pilewise.register_trace import RegisterTrace
from pytest_pilewise.simulated import state_of
from pytest_pilewise.upstream import Upstream


def test_simulated_state_keeps_what_is_absent_apart_from_zero() -> None:
    """Without a car there is no charge, on AC no insulation; a car at 0 % is a car."""
    message = pb.SimulatedState(evse_id="A*1", ocpp_status=nouns.OCPP_STATUS_SUSPENDED_EV)

    empty = state_of(message)
    message.soc_pct = 0.0
    flat = state_of(message)

    assert (empty.status, empty.soc_pct, empty.plugged) == ("SuspendedEV", None, False)
    assert (flat.soc_pct, flat.plugged, flat.isolation_kohm) == (0.0, True, None)


@pytest.mark.parametrize(
    ("status", "iec", "ocpp", "power_kw", "word"),
    [
        (EvseStatus.AVAILABLE, IecState.A, OcppStatus.UNSPECIFIED, 0.0, "Available"),
        (EvseStatus.CHARGING, IecState.B, OcppStatus.UNSPECIFIED, 0.0, "Preparing"),
        (EvseStatus.CHARGING, IecState.C, OcppStatus.UNSPECIFIED, None, "Charging"),
        (EvseStatus.CHARGING, IecState.UNSPECIFIED, OcppStatus.UNSPECIFIED, 3.0, "Charging"),
        (EvseStatus.CHARGING, IecState.B, OcppStatus.FINISHING, 0.0, "Finishing"),
        (EvseStatus.OUTOFORDER, IecState.E, OcppStatus.UNSPECIFIED, 0.0, "Faulted"),
        (EvseStatus.INOPERATIVE, IecState.F, OcppStatus.UNSPECIFIED, 0.0, "Unavailable"),
        (EvseStatus.UNKNOWN, IecState.UNSPECIFIED, OcppStatus.UNSPECIFIED, None, "Unknown"),
    ],
)
def test_reading_of_a_real_pile_has_ocpps_word(
    status: EvseStatus, iec: IecState, ocpp: OcppStatus, power_kw: float | None, word: str
) -> None:
    """A register's own OCPP status counts; else status, letter and power tell."""
    values = Values(power_kw=power_kw)
    reading = Reading("E", status, Source.MODBUS, iec, ocpp, values, (Fault("CX017"),))

    state = device_state(reading, "REAL-01*1")

    assert (state.evse_id, state.status) == ("REAL-01*1", word)
    assert state.faults == ("EVSEContactorFault",)


def test_trace_tells_moves_and_forgets_the_oldest() -> None:
    """Old and new words, value, unit and writer; a trace never grows without end."""
    now_ms = [0]
    words = [0]

    def look() -> Sequence[Register]:
        return [Register(0x400C, "state", (words[0],), float(words[0]), "", writer="pile")]

    trace = RegisterTrace("A", lambda: now_ms[0], look)
    trace.begin()
    now_ms[0], words[0] = 1500, 2
    trace.did("plug in")
    trace.sample()
    first = list(trace.lines)
    for number in range(500):
        trace.did(f"step {number}")

    assert [line.strip() for line in first] == [
        "+1.50 s  plug in",
        "+1.50 s    3:0x400c state: 0x0000 -> 0x0002 (2)  by pile",
    ]
    assert (len(trace.lines), trace.dropped) == (400, 102)
    assert trace.text().startswith("... 102 lines before")
    assert trace.text().endswith("state                    0x0002                      2")


def test_marks_become_cases_in_their_order() -> None:
    """The topmost mark is the first case; one without its figures is refused."""
    low = pytest.mark.max_detection(fault="A", within_s=1).mark
    high = pytest.mark.max_detection(fault="B", within_s=2, status="Unavailable").mark

    # As pytest gives them: the mark nearest to the function first.
    cases = marked_cases([low, high])

    assert cases == [Detection("B", 2, "Unavailable"), Detection("A", 1)]
    with pytest.raises(TypeError, match="write max_detection"):
        marked_cases([pytest.mark.max_detection("A", 1).mark])


def test_table_of_cases_is_a_parametrisation() -> None:
    """Each entry is a case with its fault as its id."""
    mark = detection_cases({"A": 1.0, "B": 2.5}, status="Unavailable").mark

    assert mark.name == "parametrize"
    assert mark.args == ("detection", [Detection("A", 1.0, "Unavailable"),
                                       Detection("B", 2.5, "Unavailable")])  # fmt: skip
    assert mark.kwargs == {"ids": ["A", "B"]}


def test_upstream_knows_status_and_faults_of_each_evse() -> None:
    """Faults come and go by record; a batch that is sent again counts once; a gap is stored."""
    upstream = Upstream()  # type: ignore[abstract]
    batch = edge.ReportBatch(
        spool_id="s",
        first_record_seq=1,
        record_count=3,
        evse_ids=["A*1", "B*1"],
        evse_index=[0, 0, 1],
        kind=[edge.RECORD_KIND_STATUS, edge.RECORD_KIND_FAULT, edge.RECORD_KIND_STATUS],
        observed_at_ms=[1, 2, 3],
        status=[1, 5, 3],
        detail_index_plus_one=[0, 1, 0],
        details=[edge.RecordDetail(fault_code="CX002")],
        power_kw=edge.FloatColumn(values=[0, 0, 7.5], presence=b"\x04"),
    )
    cleared = edge.ReportBatch(
        spool_id="s",
        first_record_seq=6,
        record_count=1,
        evse_ids=["A*1"],
        evse_index=[0],
        kind=[edge.RECORD_KIND_FAULT_CLEARED],
        observed_at_ms=[4],
        status=[1],
        detail_index_plus_one=[1],
        details=[edge.RecordDetail(fault_code="CX002")],
        gaps=[edge.Gap(range=nouns.SeqRange(first=4, last=4))],
    )
    try:
        upstream._take(batch)
        upstream._take(batch)
        broken, charging = upstream.latest("A*1"), upstream.latest("B*1")
        upstream._take(cleared)
        mended = upstream.latest("A*1")
        stored = upstream._ranges("s")
    finally:
        upstream.close()

    assert broken is not None
    assert (broken.status, broken.faults, broken.power_kw) == ("OUTOFORDER", ("CX002",), None)
    assert charging is not None
    assert (charging.status, charging.faults, charging.power_kw) == ("CHARGING", (), 7.5)
    assert mended is not None
    assert (mended.status, mended.faults) == ("AVAILABLE", ())
    assert len(upstream.rows) == 4
    assert stored.acked_through == 4
    assert [(run.first, run.last) for run in stored.ranges] == [(6, 6)]
