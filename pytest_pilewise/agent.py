"""The edge agent as the thing under test: a real process that reads the bench's piles.

What it reports goes to a recorder (`upstream.py`), or to a coordinator under test.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from pytest_pilewise.clock import LIVE, BenchClock
from pytest_pilewise.expectation import wait_until
from pytest_pilewise.pile import Pile
from pytest_pilewise.process import Room, toml
from pytest_pilewise.upstream import Reported, Upstream

AGENT_ID = "BENCH-AGENT"


class Above(Protocol):
    """Whoever the agent reports to."""

    @property
    def address(self) -> str:
        """host:port of its EdgeService."""
        ...

    def latest(self, evse_id: str) -> Reported | None:
        """What the agent has reported last of one EVSE."""
        ...


class AgentUnderTest:
    """One agent. `period_s` is how often it reads a pile, real seconds; change it before `serve`.

    Its time is real time: `within_s` counts domain seconds of a live clock, real ones of a
    stepped one.
    """

    def __init__(self, folder: Path, clock: BenchClock, above: Above | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.period_s = 0.2
        self.room = Room("edge_agent", "agent", folder)
        self._folder = folder
        self._clock = clock
        # What a stepped pile does not do by itself an agent still does in real time.
        self._watch = BenchClock(LIVE) if clock.stepped else clock
        # Enroll and Renew stay unimplemented: a bench needs no certificates.
        self._recorder = None if above is not None else Upstream()  # type: ignore[abstract]
        self._above: Above = above or self._recorder  # type: ignore[assignment]
        self._names: dict[str, dict[str, str]] = {}
        self.ready: dict[str, Any] = {}

    def __repr__(self) -> str:
        return "<AgentUnderTest>"

    def serve(self, *piles: Pile, ocpp: tuple[str, ...] = ()) -> None:
        """Starts the agent on these piles, or starts it anew with its spool kept.

        `ocpp` names piles that will dial in, each at `ocpp_url`.
        """
        tables = [pile.agent_table() for pile in piles]
        tables += [_dialling(name) for name in ocpp]
        self.room.stop()
        self.ready = self.room.start(self._config(tables, bool(ocpp)))

    def ocpp_url(self, pile_id: str) -> str:
        """What to type into an OCPP pile of that name so that it dials this agent."""
        return f"{self.ready['ocpp']}{pile_id}"

    def latest(self, pile: Pile, *, evse: int = 1) -> Reported | None:
        """What it has reported last of a plug; None before its first report."""
        said = self._above.latest(pile.evse_id(evse))
        if said is None:
            return None
        if pile.pile_id not in self._names:
            self._names[pile.pile_id] = {f.code: f.name for f in pile.known_faults()}
        names = self._names[pile.pile_id]
        return replace(said, faults=tuple(names.get(code, code) for code in said.faults))

    def expect(self, pile: Pile, *, within_s: float, evse: int = 1, **conditions: Any) -> float:
        """Seconds until it has reported the pile so; raises NotMet.

        Conditions are fields of `Reported`: `status` (OCPI's word or OCPP's), `fault`, `power_kw`.
        """
        __tracebackhide__ = True
        who = f"agent about {pile.evse_id(evse)}"
        return wait_until(
            who, lambda: self.latest(pile, evse=evse), conditions, within_s, self._watch
        )

    def kill(self) -> None:
        """Ends it at once, as a power cut would; `serve` starts it again."""
        self.room.kill()

    def evidence(self) -> list[tuple[str, str]]:
        """What it reported last, and the end of its log."""
        said = "\n".join(f"{row.evse_id}: {row.line()}" for row in self._recent())
        return [("agent: newest reports", said), ("agent: end of its log", self.room.log())]

    def close(self) -> None:
        """Ends the process and the recorder."""
        self.room.stop()
        if self._recorder is not None:
            self._recorder.close()

    def _recent(self) -> list[Reported]:
        return list(self._recorder.rows)[-20:] if self._recorder is not None else []

    def _config(self, tables: list[str], ocpp: bool) -> str:
        clock = self._clock
        head = (
            f"[agent]\nid = {toml(AGENT_ID)}\ncoordinator = {toml(self._above.address)}\n"
            f"data_dir = {toml(self._folder / 'data')}\nperiod_s = {self.period_s}\n"
            "heartbeat_s = 2.0\n[uplink]\nbatch_linger_s = 0.05\n"
            "backoff_base_s = 0.1\nbackoff_cap_s = 1.0\n"
        )
        if not clock.stepped:
            head += (
                f"[clock]\nepoch_at_ms = {clock.epoch_at_ms}\nanchor_s = {clock.anchor_s}\n"
                f"speed = {clock.speed}\n"
            )
        return head + ('[ocpp]\nlisten = "127.0.0.1:0"\n' if ocpp else "") + "".join(tables)


def _dialling(pile_id: str) -> str:
    return (
        f'[[pile]]\nuid = {toml(pile_id)}\nprofile = "ocpp16"\n'
        '[[pile.connector]]\nstandard = "IEC_62196_T2"\nmax_power_kw = 11\n'
    )
