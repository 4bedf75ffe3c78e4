"""What the agent costs a gateway: `python -m bench.agent --json [--seconds 60]`.

First everything at once: 64 Modbus piles, 4 OCPP charge points and bay sensors on MQTT at 1 Hz,
reported to a real coordinator; memory, CPU and disk of the agent's process are read from /proc.
Then Modbus alone: bare pymodbus clients that do the same reads at the same period, then the agent,
in turns against the same servers; `cpu_ratio` compares their CPU time a pile-second, which is one
poll of one pile. The agent runs with numpy blocked and leaves the names of the modules it loaded.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import agent_site as site
from bench.agent_events import FAULTS, SILENCE, live, plug_in_many
from bench.measure import cpu_s, resident_mib, written_mib

ROUNDS = 2
WARM_UP_S = 5.0
SAMPLE_S = 2.0
# Modules that an agent without use for them must not load.
NEVER = ("numpy", "cryptography", "ocpp.v201")
NOT_FOR_MODBUS = (*NEVER, "ocpp", "websockets", "aiomqtt")
DAY_S = 86_400.0


@dataclass
class Side:
    """CPU and polls of one side of the comparison, over its rounds."""

    used_s: float = 0.0
    polls: float = 0.0
    wall_s: float = 0.0
    each: list[float] = field(default_factory=list)

    def add(self, used_s: float, polls: float, wall_s: float) -> None:
        """Takes one more round."""
        self.used_s, self.polls = self.used_s + used_s, self.polls + polls
        self.wall_s += wall_s
        self.each.append(round(used_s / polls * 1e6, 1))

    def figures(self) -> dict[str, Any]:
        """The sums a pile-second."""
        return {
            "cpu_us_per_pile_s": round(self.used_s / self.polls * 1e6, 1),
            "cpu_us_of_rounds": self.each,
            "polls_per_s": round(self.polls / self.wall_s, 2),
        }


def main() -> int:
    """Measures both parts and prints one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench.agent", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    parser.add_argument("--seconds", type=float, default=60.0, help="measured for each part")
    options = parser.parse_args()
    tell = (lambda text: None) if options.json else (lambda text: print(text, file=sys.stderr))
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="pilewise-bench-") as name:
        everything, broker = asyncio.run(measure_everything(Path(name), options.seconds))
        tell(f"everything: {everything}")
        product, ceiling, more = asyncio.run(compare(Path(name), options.seconds, tell))
    ratio = product["cpu_us_per_pile_s"] / ceiling["cpu_us_per_pile_s"]
    loaded = sorted({*everything.pop("loaded"), *more})
    result = {
        "rss_mib": everything["rss_peak_mib"],
        "cpu_ratio": round(ratio, 3),
        "disk_write_mib_per_day": everything["disk_write_mib_per_day"],
        "loaded_without_need": loaded,
        "modbus_piles": site.AC_PILES + site.DC_PILES,
        "ocpp_piles": site.OCPP_PILES,
        "mqtt_broker": broker,
        "seconds": options.seconds,
        "machine_load": round(max(load, os.getloadavg()[0]), 2),
        "everything": everything,
        "product": product,
        "ceiling": ceiling,
    }
    print(json.dumps(result, separators=(",", ":")))
    return 0


async def measure_everything(folder: Path, seconds: float) -> tuple[dict[str, Any], str]:
    """Figures of the agent with all it can do, and the name of the broker."""
    with ExitStack() as stack:
        mqtt, broker = stack.enter_context(site.broker(folder))
        piles = stack.enter_context(site.modbus_piles(folder, mqtt))
        brain = stack.enter_context(site.coordinator(folder, "city"))
        with site.agent(folder, "all", piles.ready["piles"], brain, mqtt) as agent:
            points = stack.enter_context(site.ocpp_piles(folder, agent.ready["ocpp"]))
            days = [
                await begin_day(piles, (*FAULTS, SILENCE), 1),
                await begin_day(points, FAULTS, 2),
            ]
            try:
                figures = await watch_agent(agent, seconds)
            finally:
                await end_days(days)
        loaded = loaded_of(folder, "all", NEVER)
    return {**figures, "loaded": loaded}, broker


async def watch_agent(agent: site.Process, seconds: float) -> dict[str, Any]:
    """What the process took while it was watched, after a warm-up."""
    await asyncio.sleep(WARM_UP_S)
    pid, page = agent.pid, agent.ready["metrics"]
    before, begin_s = await scraped(page), time.monotonic()
    used_s, written, first_mib = cpu_s(pid), written_mib(pid), resident_mib(pid)[0]
    while (left_s := begin_s + seconds - time.monotonic()) > 0:
        await asyncio.sleep(min(SAMPLE_S, left_s))
        after = await scraped(page)
    wall_s = time.monotonic() - begin_s
    used_s, written = cpu_s(pid) - used_s, written_mib(pid) - written
    last_mib, peak_mib = resident_mib(pid)
    piles = site.AC_PILES + site.DC_PILES + site.OCPP_PILES

    def rate(name: str) -> float:
        full = f"pilewise_agent_{name}_total"
        return round((after[full] - before[full]) / wall_s, 2)

    return {
        "rss_peak_mib": peak_mib,
        "rss_begin_mib": first_mib,
        "rss_end_mib": last_mib,
        "cpu_us_per_pile_s": round(used_s / wall_s / piles * 1e6, 1),
        "cpu_share": round(used_s / wall_s, 4),
        "disk_write_mib_per_day": round(written / wall_s * DAY_S),
        "readings_per_s": rate("readings"),
        "records_per_s": rate("records_committed"),
        "records_settled_per_s": rate("records_settled"),
        "connected": bool(after["pilewise_agent_connected"]),
    }


async def compare(folder: Path, seconds: float, tell: Any) -> tuple[Any, Any, list[str]]:
    """Figures of agent and bare clients on the same piles, and what the agent loaded too much."""
    product, ceiling = Side(), Side()
    loaded: set[str] = set()
    with site.modbus_piles(folder) as piles, site.coordinator(folder, "bare") as brain:
        day = await begin_day(piles, FAULTS, 3)
        try:
            shown = piles.ready["piles"]
            for number in range(ROUNDS):
                with site.ceiling(folder, shown) as bare:
                    await ceiling_round(bare, ceiling, seconds / ROUNDS)
                name = f"modbus{number}"
                with site.agent(folder, name, shown, brain) as agent:
                    await product_round(agent, product, shown, seconds / ROUNDS)
                loaded.update(loaded_of(folder, name, NOT_FOR_MODBUS))
                tell(f"round {number}: product {product.each[-1]}, ceiling {ceiling.each[-1]} us")
        finally:
            await end_days([day])
    return product.figures(), ceiling.figures(), sorted(loaded)


async def ceiling_round(bare: site.Process, side: Side, seconds: float) -> None:
    """Adds what the bare clients used in this time."""
    await asyncio.sleep(WARM_UP_S)
    polls, used_s, begin_s = int(bare.ask()), cpu_s(bare.pid), time.monotonic()
    await asyncio.sleep(seconds)
    used_s = cpu_s(bare.pid) - used_s
    side.add(used_s, int(bare.ask()) - polls, time.monotonic() - begin_s)


async def product_round(
    agent: site.Process, side: Side, piles: list[dict[str, Any]], seconds: float
) -> None:
    """Adds what the agent used in this time; a poll gives one reading for each EVSE of a pile."""
    await asyncio.sleep(WARM_UP_S)
    evses_per_pile = sum(len(pile["evses"]) for pile in piles) / len(piles)
    page, name = agent.ready["metrics"], "pilewise_agent_readings_total"
    before, used_s, begin_s = await scraped(page), cpu_s(agent.pid), time.monotonic()
    await asyncio.sleep(seconds)
    used_s, wall_s = cpu_s(agent.pid) - used_s, time.monotonic() - begin_s
    after = await scraped(page)
    side.add(used_s, (after[name] - before[name]) / evses_per_pile, wall_s)


async def begin_day(piles: site.Process, faults: tuple[str, ...], seed: int) -> asyncio.Task[Any]:
    """Cars plug in at once; the day goes on until the task is cancelled."""
    address, rng = piles.ready["bench"], random.Random(seed)
    evse_ids = [name for pile in piles.ready["piles"] for name in pile["evses"]]
    busy = await plug_in_many(address, evse_ids, rng)
    return asyncio.create_task(
        live(address, busy, set(evse_ids) - busy, faults, rng), name="bench:day"
    )


async def end_days(days: list[asyncio.Task[Any]]) -> None:
    """Ends the days; one that ended by itself says why."""
    for day in days:
        day.cancel()
    for outcome in await asyncio.gather(*days, return_exceptions=True):
        if not isinstance(outcome, asyncio.CancelledError):
            raise outcome


async def scraped(page: str) -> dict[str, float]:
    """The agent's metrics by name."""

    def read() -> dict[str, float]:
        with urllib.request.urlopen(f"http://{page}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    return await asyncio.to_thread(read)


def loaded_of(folder: Path, name: str, needless: tuple[str, ...]) -> list[str]:
    """Which of these modules an agent that has ended had loaded."""
    loaded = set(site.loaded_file(folder, name).read_text().split())
    return [module for module in needless if module in loaded]


if __name__ == "__main__":
    sys.exit(main())
