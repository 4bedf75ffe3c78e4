"""What a scene costs by its size: wall time, CPU and peak memory of one policy in a real city.

Each size and policy runs in a process of its own, one after the other. As many requests are played
in each, at the pace of the evening's load: what grows is the city that is looked at for them. A
city starts empty here, so figures are of the cost, not of the waiting.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.measure import last_json
from city_sim.engine import Engine
from city_sim.policies import Nearest
from city_sim.report import policies
from city_sim.scenarios import Scenario
from city_sim.scenes.named import SceneOptions, scene
from coordinator.core.district import District
from coordinator.models.serving import open_models, unhurried

PLUGS, POLICIES = (1_000, 5_000, 17_000), ("nearest-free", "pilewise")
CARS, AFTER_S = 500, 1_800.0
TIMEOUT_S = 3_600.0


def cut(whole: Scenario, cars: int) -> Scenario:
    """The scene with its first cars only, and half an hour after the last of them."""
    demands = whole.demands[:cars]
    until_s = max(demand.at_s for demand in demands) + AFTER_S
    return replace(whole, demands=demands, until_s=until_s)


def once(plugs: int, policy: str, cars: int, seed: int, stations: Path | None) -> dict[str, Any]:
    """Plays one scene with one policy here and says what it took, making the scene included."""
    began_s, used_s = time.perf_counter(), time.process_time()
    made = cut(scene(f"shenzhen-{plugs}", seed, options=SceneOptions(stations=stations)), cars)
    models = unhurried(open_models()) if policy == "pilewise" else None
    engine = Engine(
        made.stations, made.demands, policies(models)[policy](made), until_s=made.until_s,
        disturbances=made.disturbances, travel=made.travel(District(made.stations)),
        strangers=Nearest(),
    )  # fmt: skip
    ready_s, ready_cpu_s = time.perf_counter(), time.process_time()
    engine.run()
    engine.policy.ended()
    wall_s, cpu_s = time.perf_counter() - ready_s, time.process_time() - ready_cpu_s
    return {
        "plugs": len(engine.district), "stations": len(made.stations), "policy": policy,
        "cars": len(made.demands), "events": engine.events,
        "make_wall_s": round(ready_s - began_s, 2), "make_cpu_s": round(ready_cpu_s - used_s, 2),
        "wall_s": round(wall_s, 2), "cpu_s": round(cpu_s, 2),
        "cpu_ms_per_car": round(1e3 * cpu_s / len(made.demands), 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0, 1),
    }  # fmt: skip


def growth(rows: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """The exponent with which a figure grows with the plugs: the slope of ln on ln.

    >>> growth([{"plugs": 10, "cpu_s": 1.0}, {"plugs": 40, "cpu_s": 2.0}], "cpu_s")
    0.5

    None where there are not two sizes, or nothing was measured.
    """
    known = [(row["plugs"], row[key]) for row in rows if row[key] > 0]
    if len({plugs for plugs, _ in known}) < 2:
        return None
    plugs, values = (np.log(np.array(column, dtype=float)) for column in zip(*known, strict=True))
    return round(float(np.polyfit(plugs, values, 1)[0]), 3)


def in_a_process(plugs: int, policy: str, options: argparse.Namespace) -> dict[str, Any]:
    """The same in a process of its own, so that its memory is its own."""
    command = [sys.executable, "-m", "bench.cost_curve", "--one", policy, "--plugs", str(plugs)]
    command += ["--cars", str(options.cars), "--seed", str(options.seed)]
    if options.stations is not None:
        command += ["--stations", str(options.stations)]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    row: dict[str, Any] = last_json(done.stdout)
    return row


def main(arguments: Sequence[str] | None = None) -> None:
    """Plays every size with every policy; a table for people, one object with --json."""
    parser = argparse.ArgumentParser(prog="python -m bench.cost_curve", description=__doc__)
    parser.add_argument("--plugs", type=_numbers, default=PLUGS, help="with commas")
    parser.add_argument("--policies", type=lambda text: text.split(","), default=POLICIES)
    parser.add_argument("--cars", type=int, default=CARS, help="requests at each size")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stations", type=Path, help="a list of stations; else one is made up")
    parser.add_argument("--one", metavar="POLICY", help="play one here, in this process")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.one:
        row = once(options.plugs[0], options.one, options.cars, options.seed, options.stations)
        print(json.dumps(row, separators=(",", ":")), flush=True)
        return
    rows = []
    for plugs in options.plugs:
        for policy in options.policies:
            rows.append(in_a_process(plugs, policy, options))
            print(_line(rows[-1]), file=sys.stderr, flush=True)
    by_policy = {name: [row for row in rows if row["policy"] == name] for name in options.policies}
    told = {
        "cars": options.cars, "rows": rows,
        "cpu_exponent": {name: growth(of, "cpu_s") for name, of in by_policy.items()},
        "memory_exponent": {name: growth(of, "peak_mib") for name, of in by_policy.items()},
    }  # fmt: skip
    if options.json:
        print(json.dumps(told, separators=(",", ":")), flush=True)


def _line(row: Mapping[str, Any]) -> str:
    return (
        f"{row['policy']:<14}{row['plugs']:>7} plugs {row['wall_s']:>9.1f} s wall "
        f"{row['cpu_s']:>9.1f} s CPU {row['peak_mib']:>8.0f} MiB"
    )


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
