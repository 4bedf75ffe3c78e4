"""Piles of each model fail in their own way, and as often as real networks do."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from statistics import mean

import pytest

from firmware_sim.config import load_config
from firmware_sim.core.ageing import next_failure
from firmware_sim.core.evse import Supply
from firmware_sim.core.faults import FAULTS
from firmware_sim.core.lives import ageing_of, life_of
from firmware_sim.faces.registers.models import REGISTER_MAPS


def first_hours(model: str, supply: Supply, count: int = 4000) -> list[float]:
    """Hours until new piles of a model fail for the first time."""
    rng, ageing = random.Random(11), ageing_of(model, supply)
    return [next_failure(ageing, 0.0, rng).in_s / 3600 for _ in range(count)]


def test_generic_piles_fail_as_often_as_the_irish_network() -> None:
    """A Type 2 socket about every 57 days, a DC cable about every 8."""
    assert mean(first_hours("generic", Supply.AC_3)) / 24 == pytest.approx(56.7, rel=0.05)
    assert mean(first_hours("generic", Supply.DC)) / 24 == pytest.approx(8.2, rel=0.05)


def test_model_that_wears_out_fails_later_first_and_sooner_when_old() -> None:
    """With a shape above 1 few fail young; below 1 many do."""
    worn = sorted(first_hours("phoenix-ev-cc-eth", Supply.AC_3))
    early = sorted(first_hours("keba-p40", Supply.AC_3))

    assert (
        worn[200] / life_of("phoenix-ev-cc-eth").times > 2 * early[200] / life_of("keba-p40").times
    )


def test_every_model_with_a_register_map_has_a_maker() -> None:
    """No map falls back to the generic life, and no two supplies fail alike."""
    makers = {model: life_of(model).maker for model in REGISTER_MAPS}

    assert "Pilewise" not in makers.values()
    assert life_of("nobody's") is life_of("generic")


def test_what_fails_follows_the_weights_of_the_supply() -> None:
    """DC piles fail by heat and cable, AC piles by lock and leakage; all are in the catalogue."""
    rng = random.Random(3)
    drawn = {
        supply: Counter(
            next_failure(ageing_of("generic", supply), 0.0, rng).kind.name for _ in range(3000)
        )
        for supply in (Supply.AC_3, Supply.DC)
    }

    assert drawn[Supply.AC_3].most_common(1)[0][0] == "ConnectorLockFailure"
    assert drawn[Supply.DC].most_common(1)[0][0] == "HighTemperature"
    assert "CableCheckFault" not in drawn[Supply.AC_3]
    assert set(drawn[Supply.DC]) <= set(FAULTS)


def test_empty_ageing_table_takes_the_model_and_its_keys_override(tmp_path: Path) -> None:
    """`[pile.ageing]` alone is the model's life; with a scale of its own it is steady."""
    path = tmp_path / "sim.toml"
    pile = '[[pile]]\nface = "modbus"\nmodel = "keba-p30"\n'
    path.write_text(
        f'{pile}pile_id = "A"\n[pile.ageing]\n'
        f'{pile}pile_id = "B"\n[pile.ageing]\nage_h = 500.0\n'
        f'{pile}pile_id = "C"\n[pile.ageing]\nscale_h = 10.0\n'
    )

    by_model, old, own = (pile.ageing for pile in load_config(path).piles)

    assert by_model == ageing_of("keba-p30", Supply.AC_3)
    assert old is not None
    assert own is not None
    assert (round(old.scale_h), old.shape, old.age_h) == (1904, 1.2, 500.0)
    assert (own.scale_h, own.shape, own.repair_median_h) == (10.0, 1.0, 0.42)
