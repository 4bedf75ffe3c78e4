"""The page of the city says the figures that the code has."""

from pathlib import Path

import pytest

from city_sim.scenes import ageing, habits, shenzhen
from city_sim.scenes.named import MOST_PLUGS, NAMES
from city_sim.streets import ALPHA, PERIOD_S

PAGE = (Path(__file__).parents[2] / "docs" / "city.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "said",
    [
        *(f"`{name}`" for name in NAMES),
        f"{MOST_PLUGS:,}",
        f"{ageing.OUT_SHARE * 100:.1f} % are out",
        f"{ageing.ONSETS_PER_H * 100:.2f} % of the others",
        f"k = {ageing.WEIBULL_K}",
        f"{habits.SHORTEST_MIN:.0f} min, < {habits.LEAST_PCT:.0f} %, < {habits.LEAST_KWH:.0f} kWh",
        f"between {habits.EVENING[0]} and {habits.EVENING[1]} h",
        f"{shenzhen.Shares().walk_in * 100:.0f} % of the cars come unasked",
        f"{shenzhen.Shares().disobey * 100:.0f} % ask, say yes",
        f"{shenzhen.Shares().vip * 100:.0f} % are VIPs",
        f"{shenzhen.HOT_SHARE * 100:.0f} % at hot spots, one for {shenzhen.PLUGS_A_SPOT} plugs",
        f"{shenzhen.PLUG_KW:.0f} kW plug",
        f"(1 + {ALPHA} · load⁴)",
        f"every {PERIOD_S / 60:.0f} minutes",
    ],
)
def test_page_says_what_the_code_has(said: str) -> None:
    """Names, shares, laws and periods on the page are those that scenes are made with."""
    assert said in PAGE


def test_load_factor_on_the_page_is_the_one_in_use() -> None:
    """The stated factor and the load that it makes of the data's 0.288 are those of the code."""
    assert shenzhen.LOAD_FACTOR == 3.0
    assert "three times as much (`LOAD_FACTOR`): 0.86 of all plugs" in PAGE
    working = 1.0 - ageing.OUT_SHARE
    assert round(0.288 * shenzhen.LOAD_FACTOR / working, 2) == 0.95
