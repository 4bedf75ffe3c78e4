"""How often a pile is read: by its own section, by its model, by the agent."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config_file import load_config
from edge_agent.core.directive import Outcome, SetPeriod
from edge_agent.parts import fusion_rules, polled_periods
from edge_agent.parts_modbus import modbus_pile
from edge_agent.performers import Performers

PROFILE = """\
id = "slow-one"
maker = "M"
model = "U"
transports = ["modbus-tcp"]
power_type = "AC_3_PHASE"
sources = ["a test"]
unverified = ["all of it"]

[modbus]
{pace}

[point.state]
register = 0
kind = "u16"

[state]
point = "state"
[state.words]
0 = "A"
1 = "C2"
"""
AGENT = """\
[agent]
id = "GW-1"
coordinator = "127.0.0.1:50051"
data_dir = "data"
period_s = 2
profiles_dir = "own"
[[pile]]
uid = "A-01"
profile = "slow-one"
host = "127.0.0.1"
{pace}
[[pile.connector]]
standard = "IEC_62196_T2"
max_power_kw = 22
"""


@pytest.mark.parametrize(
    ("model", "pile", "expected_s"),
    [("", "", 2.0), ("period_s = 7", "", 7.0), ("period_s = 7", "period_s = 1", 1.0)],
)
def test_period_is_the_piles_then_the_models_then_the_agents(
    tmp_path: Path, model: str, pile: str, expected_s: float
) -> None:
    """Whoever is nearer to the device knows better; silence counts by the same period."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "slow-one.toml").write_text(PROFILE.format(pace=model))
    (tmp_path / "agent.toml").write_text(AGENT.format(pace=pile))

    config = load_config(tmp_path / "agent.toml")

    assert polled_periods(config) == {"A-01*1": expected_s}
    assert fusion_rules(config)["A-01*1"].pile_ttl_s == 3 * expected_s


class Told:
    """A watch that only remembers what it was told of periods."""

    def __init__(self) -> None:
        self.periods: dict[str, float] = {}

    def set_period(self, evse_id: str, period_s: float) -> None:
        self.periods[evse_id] = period_s


async def test_period_of_one_evse_is_that_of_all_that_are_read_with_it(tmp_path: Path) -> None:
    """Else the neighbour on the same device would be UNKNOWN between two slow reads."""
    (tmp_path / "agent.toml").write_text(
        '[agent]\nid = "GW-1"\ncoordinator = "127.0.0.1:50051"\ndata_dir = "data"\n'
        '[[pile]]\nuid = "D-01"\nprofile = "alpitronic-hypercharger"\nhost = "127.0.0.1"\n'
        + '[[pile.connector]]\nstandard = "IEC_62196_T2_COMBO"\nmax_power_kw = 150\n'
        * 2
    )
    config = load_config(tmp_path / "agent.toml")
    told: Any = Told()
    device = modbus_pile(config.piles[0], config, {}, told, random.Random(1))
    performers = Performers(dict.fromkeys(device.evse_ids, device), told)

    answer = await performers.perform("D-01*1", SetPeriod(60.0))

    assert answer.outcome is Outcome.DONE
    assert told.periods == {"D-01*1": 60.0, "D-01*2": 60.0}
