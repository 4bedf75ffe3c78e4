"""A feed through simulated piles, agents and a coordinator, over sockets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_feed import small_feed

from city_sim.replay import command

pytestmark = pytest.mark.slow


@pytest.mark.timeout(300)
def test_feed_is_played_at_piles_and_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every pile talks, the live picture follows the feed, and drivers are sent to its plugs."""
    made = small_feed(tmp_path, days=1)
    options = {
        "--connectors": made.connectors, "--intervals": made.intervals, "--piles": 6,
        "--from": "2030-03-04 06:00:00", "--for-min": 120, "--speed": 90,
    }  # fmt: skip

    code = command.main(["--json", *(str(part) for pair in options.items() for part in pair)])

    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 0
    assert told["form"] == "live"
    assert told["piles_talking"] == 6
    assert told["requests"] > 0
    assert told["picture_agreement"] > 0.8
    assert set(told["policies"]) == {"pilewise", "nearest-now-free", "nearest"}
