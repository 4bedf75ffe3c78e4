"""The arrival model learns from states, made up or an operator's own, and is exported whole."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from coordinator.core.recommend.arrival import BROKEN, BUSY, FREE, UNKNOWN
from coordinator.models.arrival_table import COLUMNS, RATE
from training.backtest.outages import timelines
from training.sources import (
    AVAILABLE,
    OCCUPIED,
    OUT_OF_CONTACT,
    OUT_OF_SERVICE,
    STATES,
    Connectors,
    Intervals,
)  # fmt: skip
from training.states import DAY_S, daily_rates, states_of
from training.street import BEGIN_S, TYPES, Street, demand, generate_street

NEEDS_TORCH = 'needs torch: pip install "pilewise[train]"'


@pytest.fixture(scope="module")
def street() -> Street:
    return generate_street(5, addresses=40, days=10)


def test_street_depends_on_the_seed_alone(street: Street) -> None:
    """The same seed gives the same states; another seed others."""
    again, other = (generate_street(seed, addresses=40, days=10) for seed in (5, 6))

    for mine, same in zip(street.intervals.rows, again.intervals.rows, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(mine, same, strict=True))
    assert len(other.connectors.ids) != len(street.connectors.ids)


def test_states_of_a_street_follow_each_other_without_a_hole(street: Street) -> None:
    """Each connector has one state at every instant, and no state twice in a row."""
    for starts, ends, states in street.intervals.rows:
        assert starts[0] == BEGIN_S
        assert ends[-1] == street.intervals.to_s
        assert np.array_equal(starts[1:], ends[:-1])
        assert (np.diff(states) != 0).all()


def test_street_is_busier_in_the_evening_than_at_night(street: Street) -> None:
    """Occupied shares follow demand."""
    lines = timelines(street.intervals)
    days = np.arange(2, 10) * DAY_S + BEGIN_S
    busy = [
        np.mean([line.state(days + hour * 3600.0) == OCCUPIED for line in lines])
        for hour in (4.0, 19.0)
    ]

    assert demand(4.0) < demand(19.0)
    assert busy[1] > 2.0 * busy[0]


def feed(*states: tuple[float, float, int]) -> tuple[Connectors, Intervals]:
    """One slow connector with these states, by hours."""
    one = np.zeros(1, dtype=np.intp)
    table = np.array(states, dtype=np.float64)
    row = (table[:, 0] * 3600.0, table[:, 1] * 3600.0, table[:, 2].astype(np.intp))
    return (
        Connectors(("c",), one + 1, one, one, one, TYPES),
        Intervals((row,), 0.0, float(row[1][-1])),
    )


def test_rows_say_what_was_known_and_what_came_after() -> None:
    """Kind, age, drive, hour and outcome of each row are those of the feed."""
    connectors, intervals = feed(
        (0, 30, AVAILABLE), (30, 40, OCCUPIED), (40, 60, OUT_OF_SERVICE),
        (60, 70, OUT_OF_CONTACT), (70, 120, AVAILABLE),
    )  # fmt: skip
    rows = states_of(connectors, intervals, 1, 500)
    at_h = rows.at_s / 3600.0
    column = {name: rows.columns[:, i].astype(np.float64) for i, name in enumerate(COLUMNS)}
    later_h = at_h + column["ahead_min"] / 60.0
    kind = rows.columns[:, :4].argmax(axis=1)

    assert (kind[(at_h > 40) & (at_h < 60)] == BROKEN).all()
    assert set(kind.tolist()) == {FREE, BUSY, BROKEN, UNKNOWN}
    busy = kind == BUSY
    assert np.allclose(column["lasted_min"][busy], (at_h[busy] - 30.0) * 60.0, atol=0.1)
    angle = np.arctan2(column["hour_sin"], column["hour_cos"]) / (2 * np.pi) * 24.0 % 24.0
    assert np.allclose((angle - later_h + 12.0) % 24.0, 12.0, atol=0.01)
    works = rows.works == 1.0
    assert (works == ~((later_h >= 40) & (later_h < 60)))[np.abs(later_h - 60) > 0.1].all()
    silent = (later_h > 60) & (later_h < 70)
    assert works[silent].all()  # it was in order when contact came back
    assert np.isnan(rows.free[silent | ((later_h > 40) & (later_h < 60))]).all()
    assert not rows.free[(later_h > 30) & (later_h < 40)].any()


def test_rates_know_nothing_of_the_days_after() -> None:
    """What is believed at the begin of a day counts the outages before it only."""
    whole = ((0, 50, AVAILABLE), (50, 52, OUT_OF_SERVICE), (52, 96, AVAILABLE))
    _, intervals = feed(*whole)
    lines = timelines(intervals)

    rates = daily_rates(lines, np.zeros(1, dtype=bool), intervals)[:, 0]

    assert (np.diff(rates[:3]) <= 0).all()  # two quiet days
    assert rates[3] > 2.0 * rates[2]
    assert rates[4] < rates[3]


@pytest.mark.slow
def test_model_beats_the_rules_on_later_states(street: Street) -> None:
    """After a short training both heads are calibrated, and better than the rules on what came
    later; the exported model says what torch does."""
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    from training.arrival import ArrivalSettings
    from training.arrival_part import arrival_part

    part = arrival_part(street.connectors, street.intervals, 3, ArrivalSettings(epochs=6))
    figures = part.metrics

    assert figures["parity"] <= 1e-5
    assert figures["works_log_loss"] < figures["rules_works_log_loss"]
    assert figures["free_log_loss"] < figures["rules_free_log_loss"]
    assert figures["works_ece"] < 0.02
    assert figures["free_ece"] < 0.03
    assert sorted(part.plots) == [
        "arrival.free_reliability.svg",
        "arrival.works_reliability.svg",
    ]


def test_untrained_model_is_sane_whatever_its_weights() -> None:
    """With weights from nowhere chances are chances, faults lower them, and heads do not cross."""
    torch = pytest.importorskip("torch", reason=NEEDS_TORCH)
    from training.arrival import ArrivalNet

    torch.manual_seed(2)
    model = ArrivalNet()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 3.0)
        states = torch.rand(400, len(COLUMNS))
        states[:, 5] *= 3000.0
        states[:, 8] *= 1000.0

        def of(kind: int, **changes: float) -> torch.Tensor:
            rows = states.clone()
            rows[:, :4] = torch.eye(4)[kind]
            for name, value in changes.items():
                rows[:, COLUMNS.index(name)] = value
            return model(rows)

        free, busy, broken = of(FREE), of(BUSY), of(BROKEN)
        later = states.clone()
        later[:, 8] += 100.0
        later[:, :4] = torch.eye(4)[FREE]
        assert ((free >= 0) & (free <= 1)).all()
        assert (broken[:, 0] <= free[:, 0] + 1e-6).all()
        assert (busy[:, 1] <= free[:, 1] + 1e-6).all()
        assert torch.allclose(busy[:, 0], free[:, 0], atol=1e-6)
        assert torch.allclose(of(FREE, failure_rate=0.9)[:, 1], free[:, 1])
        assert torch.allclose(of(FREE, free_share=0.0)[:, 0], free[:, 0])
        assert (model(later) <= free + 1e-6).all()
        middle = (of(FREE, failure_rate=0.0) + of(FREE, failure_rate=1.0)) / 2.0
        assert torch.allclose(of(FREE, failure_rate=0.5), middle, atol=1e-5)
    assert COLUMNS[RATE] == "failure_rate"


def write_feed(folder: Path, street: Street) -> tuple[Path, Path]:
    """The street as the two files of an operator."""
    connectors, intervals = folder / "connectors.csv", folder / "intervals.csv"
    with connectors.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["connector_id", "cp", "type", "address"])
        for number, name in enumerate(street.connectors.ids):
            kind = street.connectors.types[street.connectors.type[number]]
            writer.writerow([name, f"P{number}", kind, street.connectors.address[number]])
    with intervals.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["connector_id", "state", "start", "end"])
        for name, rows in zip(street.connectors.ids, street.intervals.rows, strict=True):
            for start_s, end_s, state in zip(*(column.tolist() for column in rows), strict=True):
                times = (
                    f"{datetime.fromtimestamp(s, UTC):%Y-%m-%d %H:%M:%S}" for s in (start_s, end_s)
                )
                writer.writerow([name, STATES[state], *times])
    return connectors, intervals


@pytest.mark.slow
def test_own_states_make_a_bundle_with_the_other_parts_as_they_were(
    street: Street, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`train arrival` writes a bundle that loads; only its arrival part is new."""
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    from coordinator.models.bundle import load
    from coordinator.models.serving import BUNDLED
    from training.__main__ import main

    connectors, intervals = write_feed(tmp_path, street)
    out = tmp_path / "own"
    asked = ["arrival", "--connectors", str(connectors), "--intervals", str(intervals)]

    code = main([*asked, "--out", str(out), "--json"])
    again = main([*asked, "--out", str(out), "--json"])

    told = json.loads(capsys.readouterr().out)
    made, shipped = load(out, told["manifest_sha256"]), load(BUNDLED)
    assert (code, again) == (0, 3)
    assert set(made.models) == {*shipped.models, "arrival"}
    assert told["works_log_loss"] < told["rules_works_log_loss"]
    assert (out / "ranker.onnx").read_bytes() == (BUNDLED / "ranker.onnx").read_bytes()
