"""All piles of this process: the one place where a state is replaced by the next.

Faces and the bench act through it and are told of every change; it owns no socket and no clock.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from firmware_sim.core.ageing import Ageing, Failure, next_failure
from firmware_sim.core.controller import inject
from firmware_sim.core.evse import Evse
from firmware_sim.core.pile import Pile, PileSpec, advance_pile, build_pile
from firmware_sim.core.wire import WireFault
from firmware_sim.errors import UnknownNameError

EvseListener = Callable[[Evse, Evse], None]
ResetListener = Callable[[str], None]
WireListener = Callable[[str, WireFault | None], None]


class Fleet:
    """The simulated piles by name, and who wants to hear of their changes.

    `ageing` gives the piles that break by themselves; each draws from its own stream of `seed`.
    """

    def __init__(
        self,
        specs: Sequence[PileSpec],
        *,
        seed: int = 0,
        ageing: Mapping[str, Ageing] | None = None,
    ) -> None:
        self._piles = {spec.pile_id: build_pile(spec) for spec in specs}
        self._pile_of = {
            evse.spec.evse_id: pile.spec.pile_id
            for pile in self._piles.values()
            for evse in pile.evses
        }
        # By pile: what one pile does must not cost every other pile's face a call.
        self._evse_listeners: dict[str | None, list[EvseListener]] = {None: []}
        self._wire_listeners: list[WireListener] = []
        self._reset_listeners: list[ResetListener] = []
        self._ageing = dict(ageing or {})
        self._rng = {pile_id: _stream(seed, pile_id) for pile_id in self._ageing}
        self._age_h = {pile_id: ageing.age_h for pile_id, ageing in self._ageing.items()}
        self._failures: dict[str, Failure] = {}

    @property
    def piles(self) -> tuple[Pile, ...]:
        """All piles, in the order of their names."""
        return tuple(self._piles[pile_id] for pile_id in sorted(self._piles))

    def pile(self, pile_id: str) -> Pile:
        """The pile of that name; raises UnknownNameError."""
        try:
            return self._piles[pile_id]
        except KeyError:
            raise UnknownNameError("pile", pile_id) from None

    def pile_id_of(self, evse_id: str) -> str:
        """The pile that an EVSE belongs to; raises UnknownNameError."""
        try:
            return self._pile_of[evse_id]
        except KeyError:
            raise UnknownNameError("EVSE", evse_id) from None

    def evse(self, evse_id: str) -> Evse:
        """The EVSE of that name; raises UnknownNameError."""
        return self._piles[self.pile_id_of(evse_id)].evse(evse_id)

    def on_evse_change(
        self, listener: EvseListener, *, pile_id: str | None = None
    ) -> Callable[[], None]:
        """Tells `listener` of each change, of one pile or of all, as (before, after).

        Returns how to stop that.
        """
        listeners = self._evse_listeners.setdefault(pile_id, [])
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    def on_wire_change(self, listener: WireListener) -> Callable[[], None]:
        """Tells `listener` of wire and OCPP faults that come or go; returns how to stop.

        It hears the pile and its wire fault, None where the wire is well.
        """
        self._wire_listeners.append(listener)
        return lambda: self._wire_listeners.remove(listener)

    def on_reset(self, listener: ResetListener) -> Callable[[], None]:
        """Tells `listener` which pile was put back to its factory state; returns how to stop."""
        self._reset_listeners.append(listener)
        return lambda: self._reset_listeners.remove(listener)

    def change(self, evse_id: str, transition: Callable[[Evse], Evse]) -> Evse:
        """The EVSE after `transition`; whoever listens has been told."""
        pile = self.pile(self.pile_id_of(evse_id))
        self.put(pile.with_evse(evse_id, transition))
        return self.evse(evse_id)

    def set_wire(self, pile_id: str, wire: WireFault | None) -> None:
        """Breaks or mends the wire of a pile."""
        self.put(replace(self.pile(pile_id), wire=wire))

    def put(self, pile: Pile) -> None:
        """Replaces a pile by its next state."""
        before = self.pile(pile.spec.pile_id)
        if pile is before:
            return
        self._piles[pile.spec.pile_id] = pile
        if _wire_names(before) != _wire_names(pile):
            for told in tuple(self._wire_listeners):
                told(pile.spec.pile_id, pile.wire)
        listeners = (
            *self._evse_listeners.get(pile.spec.pile_id, ()),
            *self._evse_listeners[None],
        )
        for old, new in zip(before.evses, pile.evses, strict=True):
            if old is not new:
                for listener in listeners:
                    listener(old, new)

    def advance(self, dt_s: float) -> None:
        """Moves all piles on by `dt_s` seconds of domain time."""
        for pile_id in tuple(self._piles):
            self.advance_one(pile_id, dt_s)

    def advance_one(self, pile_id: str, dt_s: float) -> None:
        """Moves one pile on by `dt_s` seconds of domain time."""
        self.put(advance_pile(self._piles[pile_id], dt_s))
        if pile_id in self._ageing:
            self._age(pile_id, dt_s)

    def reset(self, pile_id: str) -> None:
        """Puts a pile back to its factory state."""
        self.put(build_pile(self.pile(pile_id).spec))
        for told in tuple(self._reset_listeners):
            told(pile_id)

    def _age(self, pile_id: str, dt_s: float) -> None:
        ageing, rng = self._ageing[pile_id], self._rng[pile_id]
        self._age_h[pile_id] += dt_s / 3600
        for evse in self._piles[pile_id].evses:
            evse_id = evse.spec.evse_id
            failure = self._failures.get(evse_id)
            if failure is None:
                # The age has moved on already; residual life is drawn from where dt began.
                failure = next_failure(ageing, self._age_h[pile_id] - dt_s / 3600, rng)
            left_s = failure.in_s - dt_s
            if left_s > 0:
                self._failures[evse_id] = replace(failure, in_s=left_s)
                continue
            # While it is being repaired it does not age: the next one is drawn from now on.
            self._failures.pop(evse_id, None)
            self.change(evse_id, partial(inject, kind=failure.kind, duration_s=failure.repair_s))


def _wire_names(pile: Pile) -> list[str]:
    names = [fault.name for fault in pile.talking]
    return [pile.wire.name, *names] if pile.wire else names


def pile_seed(seed: int, pile_id: str) -> int:
    """The seed of a pile's own stream: the same whatever other piles there are."""
    digest = hashlib.sha256(f"{seed}/{pile_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _stream(seed: int, pile_id: str) -> random.Random:
    return random.Random(pile_seed(seed, pile_id))
