"""Cars that all want the same few EVSEs, against a real ledger on disk; tells what it was told.

As a process it works on a file until it is killed, one line for each thing that it was told. What
the ledger has stored of it is judged in `claims_audit.py`.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from coordinator.core.areas.ledger import OFFER_S, Claim, ClaimState, Moment, Move, Refused, Step
from coordinator.core.vehicle import WarningLevel
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.usecases.fences import Fences
from coordinator.usecases.ledger import ClaimStore

TASKS = 16
EVSES = 240
CARS = 1_500
HELD = 150  # claims that are held before the oldest goes on, so that places are scarce
TICK_S = 0.02  # by which time goes on with each attempt
LENGTH_S = 600.0
FUTURE_SHARE = 0.1
HELD_ON = ("release", "lapse", "charge", "overrun", "move", "firm")

BEGIN = Moment(1_800_000_000.0, 1_000.0)

Tell = Callable[[str], None]


@dataclass
class Load:
    """Attempts of many tasks at once, and how they ended; `tell` hears each durable outcome."""

    store: ClaimStore
    seed: int
    begin: Moment = BEGIN
    tell: Tell = lambda line: None
    attempts: int = 0
    granted: int = 0
    granted_ms: list[float] = field(default_factory=list)
    fences: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    told: dict[str, int] = field(default_factory=dict)  # claims to the newest state told
    _held: deque[Claim] = field(default_factory=deque)
    _made: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._keeper = Fences(self.store)

    def moment(self) -> Moment:
        """Time goes on with the attempts."""
        passed_s = self.attempts * TICK_S
        return Moment(self.begin.now_s + passed_s, self.begin.link_s + passed_s)

    async def run(self, attempts: int, tasks: int = TASKS) -> None:
        """Makes so many attempts, from so many tasks at once."""
        sys.setswitchinterval(0.0005)  # as the coordinator does
        async with asyncio.TaskGroup() as group:
            for number in range(tasks):
                group.create_task(self._work(attempts), name=f"bench:car-{number}")

    async def _work(self, attempts: int) -> None:
        while self.attempts < attempts:
            wish = self._wish()
            self.attempts += 1
            begun_s = time.perf_counter()
            outcome = await self.store.claim(wish, self.moment())
            if isinstance(outcome, Step) and outcome.claim is not None:
                self.granted_ms.append((time.perf_counter() - begun_s) * 1000.0)
                self.granted += 1
                self._hear(outcome)
                self._held.append(outcome.claim)
            elif self.attempts % 64 == 0:
                await asyncio.sleep(0)  # a refusal waits for nothing: others must get their turn
            if len(self._held) > HELD:
                await self._go_on(self._held.popleft())

    def _wish(self) -> Claim:
        rng, moment = self._rng, self.moment()
        self._made += 1
        evse = f"E{int(EVSES * rng.random() ** 2):03d}"  # some are wanted more than others
        future = rng.random() < FUTURE_SHARE
        ahead_s = LENGTH_S * rng.randrange(3) + (7_200.0 if future else 0.0)
        from_s = moment.now_s + ahead_s
        return Claim(
            f"{self.seed:x}-{self._made:x}", evse, f"car-{rng.randrange(CARS)}", from_s,
            from_s + LENGTH_S, WarningLevel(rng.randint(1, 3)), ClaimState.OFFERED,
            moment.link_s + OFFER_S, future=future,
        )  # fmt: skip

    async def _go_on(self, claim: Claim) -> None:
        """What its car does with a claim that it has held for a while."""
        fate, moment = self._rng.choice(HELD_ON), self.moment()
        name = claim.claim_id
        if fate == "release":
            self._hear(await self.store.release(name, moment))
            return
        if fate == "lapse":
            return
        lease_s = moment.now_s + 20.0
        if isinstance(self._hear(await self.store.confirm(name, lease_s, moment)), Refused):
            return
        self._fence(claim.evse_id, await self._keeper.issue(claim.evse_id, self._clock_s()))
        if fate == "move":
            await self._move(claim)
        elif fate in ("charge", "overrun"):
            end_s = self.moment().now_s + LENGTH_S
            self._hear(await self.store.occupy(name, end_s, self.moment()))
            if fate == "overrun":
                later_s = end_s + LENGTH_S / 2
                self._hear(await self.store.overrun(name, later_s, (), {}, self.moment()))
            self._hear(await self.store.finish(name, self.moment()))

    async def _move(self, claim: Claim) -> None:
        wish = self._wish()
        wish = replace(wish, vehicle_id=claim.vehicle_id, future=claim.future)
        moves = [Move(claim.claim_id, wish)]
        self._hear(await self.store.apply(moves, {claim.claim_id: 1}, self.moment()))

    def _clock_s(self) -> float:
        """The system's clock, set back now and then."""
        return self.moment().now_s - (3_600.0 if self._rng.random() < 0.01 else 0.0)

    def _fence(self, evse_id: str, fence: int) -> None:
        self.fences[evse_id].append(fence)
        self.tell(f"fence {evse_id} {fence}")

    def _hear(self, outcome: Step | Refused) -> Step | Refused:
        """Takes note of what a durable step says of each claim."""
        if isinstance(outcome, Step):
            for claim in outcome.after:
                self.told[claim.claim_id] = int(claim.state)
                self.tell(f"claim {claim.claim_id} {int(claim.state)}")
        return outcome


async def until_killed(path: Path, seed: int, begin_s: float, fd: int) -> None:
    """Works on a file and writes what it is told, line by line, until somebody ends it."""
    begin = Moment(begin_s, 1_000.0)
    store = SqliteClaims(path, begin)
    load = Load(store, seed, begin, lambda line: _write(fd, line))
    _write(fd, "ready")
    await load.run(sys.maxsize)


def _write(fd: int, line: str) -> None:
    os.write(fd, f"{line}\n".encode())


if __name__ == "__main__":
    asyncio.run(until_killed(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), 1))
