"""Pile vectors: words to columns, numbers to quantiles, the unknown said as unknown."""

import numpy as np
import pytest

from coordinator.core.district import District
from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station
from coordinator.core.reliability.pile_vector import (
    ATTRIBUTES,
    COLUMN,
    COLUMNS,
    REFERENCE,
    SCHEMA_SHA256,
    Facts,
    attribute_values,
    facts_of,
    fleet_scale,
    select,
    vectors,
)

YEAR_S = 365.25 * 86_400


def facts(n: int = 3, **changes: object) -> Facts:
    known: dict[str, object] = {
        "kind": ["dc", "ac", ""][:n],
        "maker": ["ABB", "Acme", ""][:n],
        "model": ["Terra 184", "Rocket", ""][:n],
        "age_years": np.array([6.0, 3.0, np.nan])[:n],
        "hours_used": np.array([1000.0, 0.0, np.nan])[:n],
        "mean_charge_min": np.array([30.0, np.nan, np.nan])[:n],
        "faults": np.array([2.0, 0.0, np.nan])[:n],
        "uses": np.array([2000.0, 0.0, np.nan])[:n],
    }
    return Facts(**{**known, **changes})  # type: ignore[arg-type]


def test_vector_marks_words_known_other_and_missing() -> None:
    """A known maker has its column, an unknown one shares `other`, none has `missing`."""
    rows = vectors(facts(), REFERENCE)

    for row, column in enumerate(("maker=abb", "maker=other", "maker=missing")):
        assert rows[row, COLUMN[column]] == 1.0
    for row, column in enumerate(("model=terra184", "model=other", "model=missing")):
        assert rows[row, COLUMN[column]] == 1.0
    for row, column in enumerate(("type=dc", "type=ac", "type=missing")):
        assert rows[row, COLUMN[column]] == 1.0
    assert (rows[:, : COLUMN["age"]].sum(axis=1) == 3.0).all()


def test_vector_of_unknown_numbers_is_zero_and_says_so() -> None:
    """NaN becomes 0 in the value and 1 in the `missing` column; a known 0 is not missing."""
    rows = vectors(facts(), REFERENCE)

    assert rows[2, COLUMN["age"]] == 0.0
    assert rows[2, COLUMN["age=missing"]] == 1.0
    assert rows[1, COLUMN["log1p_faults=missing"]] == 0.0
    assert rows[0, COLUMN["age"]] == pytest.approx(0.5)


def test_vectors_stay_in_the_unit_interval() -> None:
    """Values beyond the scale are cut, not extrapolated."""
    rows = vectors(facts(age_years=np.array([90.0, -3.0, 1.0])), REFERENCE)

    assert rows.min() >= 0.0
    assert rows.max() <= 1.0
    assert rows.shape == (3, len(COLUMNS))


def test_fleet_scale_spans_the_quantiles_and_survives_a_uniform_fleet() -> None:
    """The 5 % and 95 % quantiles map to 0 and 1; without spread the reference serves."""
    ages = np.linspace(0, 100, 101)
    blank = np.full(101, np.nan)
    many = Facts([""] * 101, [""] * 101, [""] * 101, ages, np.full(101, 7.0), blank, blank, blank)

    scale = fleet_scale(many)

    assert (scale.low[0], scale.high[0]) == (5.0, 95.0)
    assert (scale.low[1], scale.high[1]) == (REFERENCE.low[1], REFERENCE.high[1])
    assert np.isfinite(vectors(many, scale)).all()


def test_without_faults_hides_the_count_only() -> None:
    """The masked facts differ in the fault columns and nowhere else."""
    seen, hidden = vectors(facts(), REFERENCE), vectors(facts().without_faults(), REFERENCE)

    different = np.flatnonzero((seen != hidden).any(axis=0))
    assert set(different) <= {COLUMN["log1p_faults"], COLUMN["log1p_faults=missing"]}
    assert (hidden[:, COLUMN["log1p_faults=missing"]] == 1.0).all()


def test_select_keeps_any_part_of_the_attributes() -> None:
    """Any non-empty subset of the patent's attributes makes a vector; others are refused."""
    rows = vectors(facts(), REFERENCE)

    assert select(rows, ["type"]).shape == (3, 4)
    assert select(rows, ["age", "log1p_faults"]).shape == (3, 4)
    with pytest.raises(ValueError, match="colour"):
        select(rows, ["colour"])
    with pytest.raises(ValueError, match="known are"):
        select(rows, [])


def test_facts_of_a_district_come_from_piles_and_live_columns() -> None:
    """Age comes from commissioning, use from the counters; an EVSE never observed is unknown."""
    evses = (
        Evse("p*1", (Connector("1", 33, PowerType.DC, 50.0),)),
        Evse("p*2", (Connector("1", 33, PowerType.AC_3_PHASE, 22.0),)),
    )
    pile = Pile("p", "s", evses, maker="Keba", model="P30 x", commissioned_at_s=0.0)
    district = District([Station("s", "s", 0.0, 0.0, (pile,))])
    district.session_count[0], district.charging_s[0] = 4, 7200.0
    district.exposure_days[0], district.fault_count[0] = 10.0, 1

    known = facts_of(district, now_s=2 * YEAR_S)

    assert list(known.kind) == ["dc", "ac"]
    assert known.age_years[0] == pytest.approx(2.0)
    assert (known.hours_used[0], known.mean_charge_min[0], known.uses[0]) == (2.0, 30.0, 4.0)
    assert np.isnan([known.hours_used[1], known.faults[1], known.uses[1]]).all()


def test_schema_hash_is_pinned() -> None:
    """The columns that models were trained on do not change unnoticed."""
    assert SCHEMA_SHA256 == "945c8f3999523de6f0ab37951c7069c4e59a149cb2f9db0f8094cc41f81a762b"


@pytest.mark.parametrize("names", [(name,) for name in ATTRIBUTES] + [ATTRIBUTES])
def test_any_part_of_claim_2_makes_vectors_and_values(names: tuple[str, ...]) -> None:
    """Every single attribute works alone, and all work together."""
    rows = vectors(facts(), REFERENCE)

    assert select(rows, names).shape[1] >= 2 * len(names)
    assert attribute_values(rows, names).shape == (3, len(names))


def test_attribute_values_are_equal_for_nearly_equal_piles_only() -> None:
    """The same tenth of the scale counts as equal; the unknown equals nothing."""
    known = facts(
        3,
        kind=["dc", "dc", ""],
        maker=["ABB", "ABB", ""],
        age_years=np.array([6.1, 6.5, np.nan]),
        hours_used=np.array([1000.0, 9000.0, np.nan]),
    )
    values = attribute_values(vectors(known, REFERENCE), ("type", "maker", "age", "hours_used"))

    assert (values[0] == values[1]).tolist() == [True, True, True, False]
    assert not (values[2] == values[2]).any()
