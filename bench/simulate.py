"""`python -m bench.simulate`: agents, links, coordinator and stores under every fault, by seeds.

    python -m bench.simulate --seeds 1000 --json     plays seeds, ends with those that failed
    python -m bench.simulate --seed 17               plays one and prints its trace
    python -m bench.simulate --seed 17 --defect no_dedup

What happens in a run is in `bench/simulated/`. Sets of words are walked in the same order in every
process only where PYTHONHASHSEED is fixed, so the command starts itself anew with 0.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

HASH_SEED = "0"


def main(words: list[str] | None = None) -> int:
    """0 where every seed held."""
    parser = argparse.ArgumentParser(prog="python -m bench.simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one and print its trace")
    parser.add_argument("--seeds", type=int, default=100, help="how many to play")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=1, help="processes; 0 for one a core")
    parser.add_argument("--steps", type=int, default=0, help="steps of a run; 0 the usual number")
    parser.add_argument("--defect", default="", help="a defect put in on purpose")
    parser.add_argument("--until-broken", action="store_true", help="end with the first failure")
    parser.add_argument("--json", action="store_true", help="one JSON object, last line of stdout")
    options = parser.parse_args(words)
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        os.environ["PYTHONHASHSEED"] = HASH_SEED
        os.execv(sys.executable, [sys.executable, "-m", "bench.simulate", *sys.argv[1:]])
    if options.seed is not None:
        return _one(options)
    return _many(options)


def _one(options: argparse.Namespace) -> int:
    from bench.simulated.defects import defect
    from bench.simulated.play import STEPS, play

    with defect(options.defect):
        run = play(options.seed, options.steps or STEPS)
    out = sys.stderr if options.json else sys.stdout
    print("\n".join(run.trace), file=out)
    if options.json:
        print(json.dumps({"seed": run.seed, "broken": run.broken, "digest": run.digest}))
    else:
        print(f"{run.digest}  {run.broken or 'everything held'}")
    return bool(run.broken)


def _judge(seed: int, steps: int, name: str) -> tuple[int, str, float]:
    """The seed, what broke in its run, and the processor time that it took."""
    from bench.simulated.defects import defect
    from bench.simulated.play import STEPS, play

    began_s = time.process_time()
    with defect(name):
        broken = play(seed, steps or STEPS).broken
    return seed, broken, time.process_time() - began_s


def _judged(options: argparse.Namespace) -> Iterator[tuple[int, str, float]]:
    """Every seed in order, on as many processes as were asked for."""
    judge = partial(_judge, steps=options.steps, name=options.defect)
    seeds = range(options.first, options.first + options.seeds)
    if options.jobs == 1:
        yield from map(judge, seeds)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs or os.cpu_count(), mp_context=spawn) as pool:
        yield from pool.map(judge, seeds, chunksize=4)


def _many(options: argparse.Namespace) -> int:
    cpu_s, failed = 0.0, {}
    for seed, broken, took_s in _judged(options):
        cpu_s += took_s
        if broken:
            failed[seed] = broken
            print(f"seed {seed}: {broken}", file=sys.stderr)
            print(f"  python -m bench.simulate --seed {seed}", file=sys.stderr)
            if options.until_broken:
                break
    told = {
        "seeds": options.seeds,
        "first": options.first,
        "failed": len(failed),
        "failed_seeds": {str(seed): why[:200] for seed, why in failed.items()},
        "defect": options.defect,
        "cpu_s": round(cpu_s, 1),
        "cpu_per_seed_s": round(cpu_s / max(1, options.seeds), 3),
    }
    if options.json:
        print(json.dumps(told, separators=(",", ":")))
    else:
        print(f"{options.seeds} seeds, {len(failed)} failed, {cpu_s:.0f} s of CPU")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
