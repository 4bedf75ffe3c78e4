"""The page's own threshold against the one of every other client."""

from __future__ import annotations

import json
import random
from typing import Any

from coordinator.web import assets
from pilewise.threshold import HYSTERESIS_PCT, Threshold

SOURCE = (assets.OWN / "js" / "drive" / "threshold.js").read_text()


async def test_the_page_asks_by_itself_when_other_clients_would(chromium: Any) -> None:
    """The same readings, falling, wavering, charged and reset: the same crossings."""
    rng = random.Random(7)
    cases = []
    for _ in range(300):
        below_pct = rng.choice([5.0, 15.0, 20.0, 80.0, 99.0])
        hysteresis_pct = rng.choice([HYSTERESIS_PCT, 0.0, 10.0])
        readings = [
            None if rng.random() < 0.1 else round(rng.gauss(below_pct, 4.0), 1) for _ in range(40)
        ]
        cases.append((below_pct, hysteresis_pct, readings))
    script = SOURCE.replace("export ", "")
    page = await chromium.new_page()
    told = await page.evaluate(
        f"""(() => {{ {script}
            return {json.dumps(cases)}.map(([below, slack, readings]) => {{
                const threshold = new Threshold(below, slack);
                return readings.map((pct) => (pct === null ? threshold.reset() ?? null
                    : threshold.crossed(pct)));
            }}); }})()"""
    )
    by_default = await page.evaluate(f"(() => {{ {script} return HYSTERESIS_PCT; }})()")

    expected = []
    for below_pct, hysteresis_pct, readings in cases:
        threshold = Threshold(below_pct, hysteresis_pct)
        expected.append(
            [threshold.reset() if r is None else threshold.crossed(r) for r in readings]
        )
    assert told == expected
    assert sum(sum(bool(one) for one in case) for case in told) > 300
    assert by_default == HYSTERESIS_PCT
