"""Fences: what keeps an old directive, or a coordinator with an old memory, from a pile.

What carries them is in `directives.py`; agents act on none below the newest that they have seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

import structlog

from coordinator.errors import Retryable

log = structlog.get_logger()

# Why nothing is granted while the fences are behind, as cars are told.
FENCE_BEHIND = "FENCE_BEHIND"
# One gateway alone, astray or taken over, must not stop a whole district.
WITNESSES = 2


class FenceBehind(Retryable):
    """This store is older than what agents have seen; no directive is issued, nothing granted."""

    code = "STORE-003"
    hint = "look at the agents, then run `pilewise coordinator fence advance`"
    retry_after_s = 60.0

    def __init__(self, why: str) -> None:
        super().__init__(f"fences are behind: {why}")
        self.why = why


class FenceKeeper(Protocol):
    """What remembers fences beyond the process: the store of claims."""

    @property
    def fences(self) -> Mapping[str, int]:
        """The newest fence kept for each EVSE."""
        ...

    async def keep_fence(self, evse_id: str, fence: int) -> int:
        """The fence to use, once it is durable: this one, or a higher one."""
        ...


class Fences:
    """The newest fence of each EVSE: drawn anew for each reserve, extend and cancel.

    A fence is never below the system time in milliseconds. With a `keeper`, `issue` makes it
    durable before it is used: no restart draws a lower one, whatever the clock says then.

    `behind` says why this store is older than what agents have seen: it was restored from a
    backup, or two agents (the only one, where there is one) tell fences that were never drawn
    here for EVSEs `known` before they came. Until `advance` no directive is issued; `on_behind`
    and `on_advanced` are called when that begins and ends.
    """

    def __init__(
        self,
        keeper: FenceKeeper | None = None,
        behind: str = "",
        agent_count: Callable[[], int] = lambda: 1,
        known: Collection[str] = (),
    ) -> None:
        self._keeper = keeper
        self._floors: dict[str, int] = {} if keeper is None else dict(keeper.fences)
        self._agent_count = agent_count
        self._known = known
        self._witnesses: set[str] = set()
        self.behind = behind
        # What else remembers that they are behind is told to forget it; runs on a thread.
        self.forget: Callable[[], None] = lambda: None
        self.on_behind: list[Callable[[str], None]] = []
        self.on_advanced: list[Callable[[], None]] = []

    async def issue(self, evse_id: str, system_s: float) -> int:
        """A fence for a directive that is about to be sent.

        Raises `FenceBehind` and `StoreUnavailable`.
        """
        if self.behind:
            raise FenceBehind(self.behind)
        fence = self.draw(evse_id, system_s)
        if self._keeper is not None:
            fence = await self._keeper.keep_fence(evse_id, fence)
            self._floors[evse_id] = max(self._floors.get(evse_id, 0), fence)
        return fence

    def draw(self, evse_id: str, system_s: float) -> int:
        """A fence above all that were drawn or heard of for this EVSE."""
        fence = max(self._floors.get(evse_id, 0) + 1, int(system_s * 1000))
        self._floors[evse_id] = fence
        return fence

    def hear(self, evse_id: str, fence: int, agent_id: str = "") -> None:
        """Takes a floor that an agent remembers; the higher wins.

        One above what was drawn here means that this store has forgotten: somebody put an old
        copy in its place. An EVSE that is new here brings its fence along.
        """
        floor = self._floors.get(evse_id, 0)
        self._floors[evse_id] = max(floor, fence)
        if self._keeper is None or fence <= floor or not (floor or evse_id in self._known):
            return
        self._witnesses.add(agent_id)
        why = f"agent {agent_id} knows fence {fence} of {evse_id}, here it was {floor}"
        log.warning("a fence was never drawn here", why=why)
        if not self.behind and len(self._witnesses) >= min(WITNESSES, max(1, self._agent_count())):
            self.behind = why
            log.error("fences are behind", why=why, hint=FenceBehind.hint)
            for tell in self.on_behind:
                tell(why)

    async def advance(self, evse_ids: Iterable[str], by: int, system_s: float) -> int:
        """Lifts the floors of these EVSEs past what agents know; says how many were lifted.

        Durable when it returns, and the fences are no longer behind. Raises `StoreUnavailable`.
        """
        lifted = {at: max(self.floor(at), int(system_s * 1000)) + by for at in evse_ids}
        if self._keeper is not None:
            # Together, so that they share a commit.
            kept = await asyncio.gather(*map(self._keeper.keep_fence, lifted, lifted.values()))
            lifted = dict(zip(lifted, kept, strict=True))
        await asyncio.to_thread(self.forget)
        for evse_id, fence in lifted.items():
            self._floors[evse_id] = max(self.floor(evse_id), fence)
        self._witnesses.clear()
        self.behind = ""
        for tell in self.on_advanced:
            tell()
        return len(lifted)

    def floor(self, evse_id: str) -> int:
        """The newest fence; 0 means none."""
        return self._floors.get(evse_id, 0)
