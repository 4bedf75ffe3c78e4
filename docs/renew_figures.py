"""Runs the commands behind the documents' figures: `python docs/renew_figures.py [NAME ...]`.

Writes `docs/figures/NAME.json`, then what the documents say of them, as `docs/generate.py` does.
Real data are found by PILEWISE_DATA, else `../shared/data`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(DOCS))
DATA = "../shared/data"
LONGEST_S = 2 * 3_600.0

REPLAY = (
    f"pilewise city replay --connectors {DATA}/ireland/connectors.csv"
    f" --intervals {DATA}/ireland/status_intervals.csv.gz --fast --json"
)
REPLAYED = (
    "requests", "sites", "first_try_success", "nearest_free_first_try_success", "gain",
    "gain_ci_low", "gain_ci_high", "mean_extra_km", "policies", "drivers", "seed", "taken_retry_s",
)  # fmt: skip

# What is run, and which keys of its JSON are kept (empty: all); `took_s` and the like never are.
SETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "campus": (
        "pilewise city compare --scenario campus-280 --cars 950 --seeds 16 --policies"
        " nearest,nearest-free,queue-eta,greedy-hold,pilewise --json",
        (),
    ),
    "demo": ("pilewise demo --for 60s --json", ()),
    "paper": ("pilewise city paper --config D --seeds 100 --json", ()),
    "ablation": (
        "pilewise city compare --scenario campus-280 --cars 950 --seeds 2 --ablation --json",
        ("cars", "seeds", "seed", "past", "ablation"),
    ),
    "ablation_disturbed": (
        "pilewise city compare --scenario campus-280 --cars 950 --seeds 2 --walk-in-share 0.3"
        " --failing-share 0.1 --past --policies pilewise,pilewise-no-replan --json",
        ("cars", "seeds", "seed", "past", "walk_in_share", "failing_share", "ablation"),
    ),
    "ablation_roomy": (
        "pilewise city compare --scenario campus-280 --cars 500 --seeds 8 --past"
        " --policies pilewise,pilewise-no-knowledge-map --json",
        ("cars", "seeds", "seed", "past", "results", "ablation"),
    ),
    "replay": (REPLAY, REPLAYED),
    "replay_default": (f"{REPLAY} --taken-retry-s 0", REPLAYED),
}  # fmt: skip
# Of the machine and the moment.
NEVER = ("wall_s", "took_s", "errors", "models")


def renew(name: str) -> None:
    """Runs a set and writes its result."""
    command, kept = SETS[name]
    print(f"{name}: {command}", file=sys.stderr)
    words = [word.replace(DATA, os.environ.get("PILEWISE_DATA", DATA)) for word in command.split()]
    ran = subprocess.run(
        [sys.executable, "-c", "from pilewise.cli import main; main()", *words[1:]],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=LONGEST_S, check=True,
    )  # fmt: skip
    write(name, json.loads(ran.stdout.splitlines()[-1]), kept)


def write(name: str, figures: dict[str, Any], kept: tuple[str, ...] = ()) -> None:
    """Writes a result with its command, its day and what it was made with."""
    from city_sim.reports import versions

    stored = {
        "command": SETS[name][0].split(),
        "renewed": datetime.now(UTC).date().isoformat(),
        "versions": {k: v for k, v in versions().items() if k in ("pilewise", "python", "numpy")},
        "figures": {
            key: value
            for key, value in figures.items()
            if key not in NEVER and (not kept or key in kept)
        },
    }
    path = DOCS / "figures" / f"{name}.json"
    path.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


def main(words: list[str]) -> int:
    """0 where all is well; 2 for a set that is not known."""
    from generate import cog

    unknown = [word for word in words if word not in SETS]
    if unknown:
        print(f"no set {', '.join(unknown)}; known are {', '.join(SETS)}", file=sys.stderr)
        return 2
    for name in words:
        renew(name)
    return cog(check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
