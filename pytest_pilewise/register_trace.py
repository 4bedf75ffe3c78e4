"""What happened to a pile during a test: every action, and every register that moved after it.

Where it is shown is decided in `report.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pytest_pilewise.states import Register

# The newest lines are kept; a test that charges for days must not fill a report.
_MOST_LINES = 400


@dataclass(slots=True)
class RegisterTrace:
    """Lines `+seconds  what`; `look` reads all registers, or gives none for a pile without."""

    pile_id: str
    now_ms: Callable[[], int]
    look: Callable[[], Sequence[Register]]
    lines: list[str] = field(default_factory=list)
    dropped: int = 0
    _known: dict[tuple[int, int], Register] = field(default_factory=dict)
    _start_ms: int = 0

    def begin(self) -> None:
        """Forgets the test before, and takes the registers as they are for the beginning."""
        self.lines, self.dropped = [], 0
        self._start_ms = self.now_ms()
        self._known = {(r.function, r.address): r for r in self.look()}

    def did(self, what: str) -> None:
        """Notes an action and what it moved."""
        self._say(what)
        self.sample()

    def sample(self) -> None:
        """Notes every register that is not what it was."""
        for register in self.look():
            key = (register.function, register.address)
            before = self._known.get(key)
            if before is None or before.words != register.words:
                self._say(_moved(before, register))
            self._known[key] = register

    def text(self) -> str:
        """The trace, then every register as last seen."""
        head = [f"... {self.dropped} lines before"] if self.dropped else []
        table = [register.line() for _, register in sorted(self._known.items())]
        return "\n".join([*head, *self.lines, *(["registers now:"] if table else []), *table])

    def _say(self, what: str) -> None:
        self.lines.append(f"{(self.now_ms() - self._start_ms) / 1000:+10.2f} s  {what}")
        if len(self.lines) > _MOST_LINES:
            del self.lines[0]
            self.dropped += 1


def _moved(before: Register | None, now: Register) -> str:
    was = before.raw if before else "(unknown)"
    value = f"{now.value:g}" if isinstance(now.value, float) else now.value
    by = f"  by {now.writer}" if now.writer else ""
    place = f"{now.function}:0x{now.address:04x} {now.name}"
    return f"  {place}: {was} -> {now.raw} ({value} {now.unit})".replace(" )", ")") + by
