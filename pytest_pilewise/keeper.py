"""Keeps simulated piles for a whole test run: a test borrows one, nominal, and gives it back.

Starting a simulator takes about a second; taking one that is there takes a call. Which test gets
what is decided in `plugin.py`.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

from pytest_pilewise.bench import start_simulator
from pytest_pilewise.clock import BenchClock, clock_of
from pytest_pilewise.errors import BenchError
from pytest_pilewise.models import model_of
from pytest_pilewise.simulated import SimulatedPile

DEFAULT_MODEL = "abb-terra-ac"
_POWER_KW = {"alpitronic-hypercharger": 150.0, "abb-terra-ac": 11.04}
_USUAL_KW = 11.0
Key = tuple[str, tuple[tuple[str, str], ...]]


class PileKeeper:
    """The simulated piles and clocks of one run; `seed` is what they draw from.

    `folder` holds their configurations and logs, and goes with them.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self._clocks: dict[str, BenchClock] = {}
        self._idle: dict[Key, list[SimulatedPile]] = {}
        self._all: list[SimulatedPile] = []
        self._count = 0

    def clock(self, word: str) -> BenchClock:
        """The run's clock of that word (`stepped`, `live`, `x60`)."""
        if word not in self._clocks:
            self._clocks[word] = clock_of(word)
        return self._clocks[word]

    def lend(self, word: str, settings: dict[str, Any]) -> SimulatedPile:
        """A nominal pile that is nobody else's, on the clock of that word."""
        key = word, tuple(sorted((name, repr(value)) for name, value in settings.items()))
        idle = self._idle.setdefault(key, [])
        while idle:
            pile = idle.pop()
            if pile.room.running:
                pile.lent()
                return pile
            self._all.remove(pile)
        self._count += 1
        whole = whole_settings(settings, f"P-{self._count:02d}")
        clock = self.clock(word)
        room, bench = start_simulator(clock, whole, self._folder, self._seed)
        pile = SimulatedPile(bench, room, whole, clock, self._seed)
        pile.key = key
        self._all.append(pile)
        pile.lent()
        return pile

    def take_back(self, pile: SimulatedPile) -> None:
        """Puts a pile back to nominal; one that dials or does not answer is ended."""
        with contextlib.suppress(BenchError):
            pile.given_back()
            if pile.face == "modbus" and pile.room.running:
                self._idle[pile.key].append(pile)
                return
        self._all.remove(pile)
        pile.close()

    def close(self) -> None:
        """Ends every simulator, all at a time."""
        for pile in self._all:
            pile.room.ask_to_end()
        for pile in self._all:
            pile.close()
        self._all.clear()
        shutil.rmtree(self._folder, ignore_errors=True)


def whole_settings(settings: dict[str, Any], pile_id: str) -> dict[str, Any]:
    """The `[[pile]]` table of a simulator, with what a test left open filled in.

    >>> whole_settings({"model": "alpitronic-hypercharger"}, "P-01")["max_power_kw"]
    150.0
    """
    face = settings.get("face", "modbus")
    model = model_of(settings.get("model", DEFAULT_MODEL if face == "modbus" else "generic"))
    usual = {
        "pile_id": pile_id,
        "face": face,
        "model": model,
        "max_power_kw": _POWER_KW.get(model, _USUAL_KW),
        "connectors": 1,
    }
    return {**usual, **settings, "model": model}
