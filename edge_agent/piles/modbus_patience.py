"""How long a device that fails is left alone, and the one log line for each change.

What each failure is belongs to `edge_agent/errors.py`; the polls are in `modbus.py`.
"""

from __future__ import annotations

import random
from typing import Final

import structlog

from edge_agent.core.backoff import full_jitter_s
from edge_agent.errors import PileError, PileRefused

log: Final = structlog.get_logger("edge_agent.modbus")

BACKOFF_CAP_S: Final = 10.0
# On a line that others use, a unit that does not answer is asked more seldom.
SHARED_BACKOFF_CAP_S: Final = 30.0
# A device that refuses is asked at its period this often before it is asked more slowly.
PATIENT_REFUSALS: Final = 3
REFUSED_CAP_S: Final = 60.0
# Exceptions that say "not now" of a device that is well: asked again at the next period.
BUSY: Final = frozenset({5, 6})
# Exceptions that say "not ever": the profile does not fit the device.
MISFIT: Final = frozenset({1, 2, 3})
# What a gateway says for a unit behind it that keeps silent.
GATEWAY: Final = frozenset({0x0A, 0x0B})


class Patience:
    """What one device's failures in a row come to.

    `bad_polls` counts them. While `is_silent`, a poll may cost its line a whole time-out.
    """

    def __init__(self, pile_id: str, rng: random.Random) -> None:
        self.bad_polls = 0
        self.is_silent = False
        self._pile_id = pile_id
        self._rng = rng
        self._state = ""

    def failed(self, error: PileError, period_s: float, *, shared: bool) -> float:
        """Takes one more failure; gives the seconds by which the next poll is put off."""
        self._say(error.reason, str(error))
        bad_polls, self.bad_polls = self.bad_polls, self.bad_polls + 1
        code = error.code if isinstance(error, PileRefused) else 0
        # What cannot be connected costs the line nothing; the bus sees to that.
        self.is_silent = code in GATEWAY or (not code and error.reason not in _NO_LINE)
        if code in BUSY or (code and bad_polls < PATIENT_REFUSALS):
            return 0.0
        if code:
            return full_jitter_s(bad_polls, self._rng, period_s, REFUSED_CAP_S)
        if shared:
            return full_jitter_s(bad_polls, self._rng, max(period_s, 1.0), SHARED_BACKOFF_CAP_S)
        return full_jitter_s(bad_polls, self._rng, period_s, BACKOFF_CAP_S)

    def answered(self) -> None:
        """Takes that all is well again."""
        self.bad_polls = 0
        self.is_silent = False
        self._say("", "")

    def _say(self, reason: str, why: str) -> None:
        """One line for each change: read, silent in whatever way, or refusing with a code."""
        state = reason if reason.startswith("MODBUS_EXCEPTION") else "SILENT" if reason else ""
        if state == self._state:
            return
        self._state = state
        if not state:
            log.info("pile is read again", pile_id=self._pile_id)
        elif state in _MISFITS:
            log.error("profile does not fit the device", pile_id=self._pile_id, why=why)
        else:
            log.warning("pile cannot be read", pile_id=self._pile_id, why=why)


_NO_LINE: Final = frozenset({"NOT_CONNECTED", "CONNECTION_LOST"})
_MISFITS: Final = frozenset(f"MODBUS_EXCEPTION_{code:02X}" for code in MISFIT)
