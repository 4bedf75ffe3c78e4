"""What may happen in a run, and how often."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import numpy as np
from numpy.typing import NDArray

from bench.simulated import invariants
from bench.simulated.agent import SimAgent
from bench.simulated.world import EVSES, Act, World
from coordinator.core.ports import ModelUnavailable
from coordinator.core.recommend.context import Models
from coordinator.core.recommend.rules_ranker import RULES_RANKER
from coordinator.usecases.replan import InlineSolver
from edge_agent.core.directive import Outcome
from edge_agent.core.reading import EvseStatus

STATUSES = (
    EvseStatus.AVAILABLE, EvseStatus.AVAILABLE, EvseStatus.CHARGING, EvseStatus.CHARGING,
    EvseStatus.OUTOFORDER, EvseStatus.BLOCKED, EvseStatus.RESERVED,
)  # fmt: skip


class NanRanker:
    """A model whose figures are none."""

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """No number."""
        return np.full(len(features), np.nan, dtype=np.float32)


class SilentRanker:
    """A model that does not answer."""

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Nothing."""
        raise ModelUnavailable("ranker", "it is too slow")


MODELS = (Models(RULES_RANKER), Models(NanRanker()), Models(SilentRanker()), Models(None))


class Happening(World):
    """A world in which things happen."""

    def agent(self) -> SimAgent:
        """One of them."""
        return self.rng.choice(self.agents)

    async def see(self) -> str:
        """A pile changes."""
        agent = self.agent()
        evse_id = self.rng.choice(sorted(agent.piles))
        status = self.rng.choice(STATUSES)
        return f"{evse_id} {status.name} {await agent.see(evse_id, status)}"

    async def several(self) -> str:
        """Some statuses are told again, durably."""
        agent = self.agent()
        ids = self.rng.choices(sorted(agent.piles), k=self.rng.randrange(1, 8))
        return f"{agent.agent_id} {len(ids)} {await agent.commit(ids)}"

    async def foreign(self) -> str:
        """An agent speaks for a pile that is another one's."""
        one, other = self.rng.sample(self.agents, 2)
        return f"{one.agent_id} {await one.commit([next(iter(other.piles))])}"

    async def car(self, what: Callable[[], Awaitable[str]]) -> str:
        """A car's turn, where there is somebody to ask; it hangs up with the coordinator."""
        if not self.coordinator.running:
            return "away"
        work = asyncio.ensure_future(what())
        done, _ = await asyncio.wait({work}, timeout=5.0)
        if not done:
            # The car waits on; what follows happens meanwhile.
            work.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            return "waits"
        return work.result()

    async def arrive(self) -> str:
        """A car says that it is there, and mostly plugs in."""
        if not self.coordinator.running:
            return "away"
        told, evse_id = await self.cars.arrive()
        owner = next((a for a in self.agents if evse_id in a.piles), None)
        if owner is not None and self.rng.random() < 0.7:
            await owner.see(evse_id, EvseStatus.CHARGING)
        return f"{told} {evse_id}"

    async def mood(self) -> str:
        """From now on a pile takes reservations otherwise, or slowly."""
        agent = self.agent()
        pile = agent.piles[self.rng.choice(sorted(agent.piles))]
        moods = (Outcome.DONE, Outcome.REFUSED, Outcome.UNSUPPORTED)
        pile.mood, pile.slow_s = self.rng.choice(moods), self.rng.choice((0.0, 0.0, 3.0, 18.0))
        return f"{pile.evse_id} {pile.mood.name} {pile.slow_s}"

    async def kill_agent(self) -> str:
        """A gateway dies, loses power, or comes back."""
        agent = self.agent()
        if not agent.running:
            await agent.start()
            return f"{agent.agent_id} starts {agent.running}"
        if self.rng.random() < 0.4:
            agent.cut_power(self.rng)
            how = "power"
        else:
            agent.kill()
            how = "killed"
        if self.rng.random() < 0.7:
            await agent.start()
        return f"{agent.agent_id} {how} {agent.running}"

    async def kill_coordinator(self) -> str:
        """The district dies, loses power, or comes back."""
        coordinator = self.coordinator
        if not coordinator.running:
            return f"starts {await coordinator.start()}"
        if self.rng.random() < 0.4:
            coordinator.cut_power(self.rng)
            how = "power"
        else:
            coordinator.kill()
            how = "killed"
        invariants.far_store_is_the_log(coordinator.disk.folder, self.agents, final=False)
        if self.rng.random() < 0.8:
            await coordinator.start()
        return f"{how} {coordinator.running}"

    async def disk(self) -> str:
        """A disk will fail at its N-th write."""
        name = self.rng.choice(sorted(self.disks))
        disk = self.disks[name]
        fails_in, fails_for = self.rng.randrange(0, 8), self.rng.choice((1, 1, 3, 20))
        how = self.rng.choice(("io", "io", "full", "untold"))
        disk.plan(fails_in, fails_for, how)
        return f"{name} {fails_in} {fails_for} {how}"

    async def cut(self) -> str:
        """The connections of an agent break."""
        agent = self.agent()
        for connection in self.network.open(agent.agent_id):
            connection.break_(self.rng.choice((0.001, 0.1, 3.0, 30.0)))
        return agent.agent_id

    async def replay(self) -> str:
        """A directive of long ago arrives once more."""
        if not self.sent:
            return "nothing"
        agent_id, message = self.rng.choice(self.sent[-12:])
        for connection in self.network.open(agent_id):
            connection.down.put(message.SerializeToString())
            self.replayed += 1
        return f"{agent_id} {message.directive.evse_id}"

    async def weather(self) -> str:
        """The link gets worse, deaf on one side, or fine again."""
        agent = self.agent()
        weather = self.network.weather[agent.agent_id]
        turn = self.rng.choice(("up", "down", "both", "late", "refuses", "clear", "clear"))
        if turn == "clear":
            self.network.clear(agent.agent_id)
        elif turn == "late":
            weather.delay_s, weather.jitter_s = self.rng.choice(((0.2, 1.0), (3.0, 4.0)))
        elif turn == "refuses":
            weather.refuses = True
        else:
            weather.up = weather.up and turn == "down"
            weather.down = weather.down and turn == "up"
        return f"{agent.agent_id} {turn}"

    async def clock(self) -> str:
        """Somebody sets a clock."""
        by_s = self.rng.choice((-3_600.0, -60.0, 5.0, 600.0, 5_400.0))
        who = self.rng.choice(("coordinator", *EVSES))
        if who == "coordinator":
            self.coordinator.clock.steps["s"] += by_s
        else:
            next(a for a in self.agents if a.agent_id == who).set_clock(by_s)
        return f"{who} {by_s}"

    async def replan(self) -> str:
        """A round of the joint plan."""
        if not self.coordinator.running:
            return "away"
        with contextlib.suppress(Exception):
            await self.coordinator.brain.replanner.once(InlineSolver())
        return "done"

    async def models(self) -> str:
        """Other models rank."""
        number = self.rng.randrange(len(MODELS))
        if self.coordinator.running:
            self.coordinator.use(MODELS[number])
        return str(number)

    async def wait(self) -> str:
        """Nothing happens for a while."""
        seconds = self.rng.choice((30.0, 30.0, 70.0))
        await asyncio.sleep(seconds)
        return f"{seconds}"


ACTIONS: tuple[Act, ...] = (
    ("see", 14.0, Happening.see),
    ("several", 6.0, Happening.several),
    ("foreign", 1.0, Happening.foreign),
    ("ask", 16.0, lambda w: w.car(w.cars.ask)),
    ("confirm", 9.0, lambda w: w.car(w.cars.confirm)),
    ("release", 4.0, lambda w: w.car(w.cars.release)),
    ("decide", 2.0, lambda w: w.car(w.cars.decide)),
    ("arrive", 5.0, Happening.arrive),
    ("mood", 2.0, Happening.mood),
    ("agent", 4.0, Happening.kill_agent),
    ("coordinator", 4.0, Happening.kill_coordinator),
    ("disk", 4.0, Happening.disk),
    ("cut", 5.0, Happening.cut),
    ("replay", 3.0, Happening.replay),
    ("weather", 6.0, Happening.weather),
    ("clock", 2.0, Happening.clock),
    ("replan", 4.0, Happening.replan),
    ("models", 2.0, Happening.models),
    ("wait", 2.0, Happening.wait),
)
