"""Which agent speaks for a pile, since when and until when: spans that never overlap.

A reading is judged by when it was observed, so that what an agent saw while a pile was its own is
still taken after the pile moved. What is stored of it is in `store/owners.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

# A pile that nobody had before is its first owner's from the beginning: readings wait in spools.
ALWAYS_S: Final = 0.0
_NEVER_MS: Final = 1 << 62


class OwnerSpan(NamedTuple):
    """An agent's time with a pile, seconds since 1970; no `to_s` means that it goes on."""

    pile_id: str
    agent_id: str
    from_s: float
    to_s: float | None = None

    def holds(self, at_s: float) -> bool:
        """Whether it covers that instant; the end is the next one's."""
        return self.from_s <= at_s and (self.to_s is None or at_s < self.to_s)


class Ownership:
    """All spans, by pile."""

    def __init__(self, spans: Iterable[OwnerSpan] = ()) -> None:
        self._spans: dict[str, list[OwnerSpan]] = {}
        self._piles: dict[str, set[str]] = {}  # of an agent, those it has or had
        for span in sorted(spans):
            self._spans.setdefault(span.pile_id, []).append(span)
            self._piles.setdefault(span.agent_id, set()).add(span.pile_id)

    def owner_at(self, pile_id: str, at_s: float) -> str:
        """The agent that speaks for a pile then; empty if nobody does.

        >>> owners = Ownership([OwnerSpan("P", "a", 0, 50), OwnerSpan("P", "b", 50)])
        >>> owners.owner_at("P", 49.9), owners.owner_at("P", 50), owners.owner_at("Q", 50)
        ('a', 'b', '')
        """
        spans = self._spans.get(pile_id, ())
        return next((span.agent_id for span in spans if span.holds(at_s)), "")

    def had_owner(self, pile_id: str) -> bool:
        """Whether anybody ever spoke for it, or will."""
        return pile_id in self._spans

    def spans_of(self, pile_id: str) -> list[OwnerSpan]:
        """Its spans in order."""
        return list(self._spans.get(pile_id, ()))

    def piles_of(self, agent_id: str, at_s: float) -> list[str]:
        """Piles that an agent speaks for then, in order."""
        had = self._piles.get(agent_id, ())
        return sorted(pile_id for pile_id in had if self.owner_at(pile_id, at_s) == agent_id)

    def agents_at(self, at_s: float) -> set[str]:
        """Agents that speak for any pile then."""
        return {s.agent_id for spans in self._spans.values() for s in spans if s.holds(at_s)}

    def spans_with(self, agent_id: str) -> dict[str, list[OwnerSpan]]:
        """The agent's own spans of every time, by pile."""
        found = {
            pile_id: [span for span in self._spans.get(pile_id, ()) if span.agent_id == agent_id]
            for pile_id in self._piles.get(agent_id, ())
        }
        return {pile_id: spans for pile_id, spans in found.items() if spans}

    def give(self, pile_id: str, agent_id: str, at_s: float) -> None:
        """The pile is this agent's from then on, nobody's if the agent is empty.

        What was to begin then or later is dropped.

        >>> owners = Ownership([OwnerSpan("P", "a", 0)])
        >>> owners.give("P", "b", 50), owners.give("P", "", 60), owners.owner_at("P", 70)
        (None, None, '')
        >>> [span[1:] for span in owners.spans_of("P")]
        [('a', 0, 50), ('b', 50, 60)]
        """
        kept = [s for s in self._spans.get(pile_id, ()) if s.from_s < at_s]
        if kept and (kept[-1].to_s is None or kept[-1].to_s > at_s):
            kept[-1] = kept[-1]._replace(to_s=at_s)
        if agent_id:
            kept.append(OwnerSpan(pile_id, agent_id, at_s))
            self._piles.setdefault(agent_id, set()).add(pile_id)
        if kept:
            self._spans[pile_id] = kept
        else:
            self._spans.pop(pile_id, None)


def unlimited(spans: Iterable[OwnerSpan]) -> bool:
    """Whether an agent has a pile for all time, so that no reading need be looked at by its time.

    >>> unlimited([OwnerSpan("P", "a", ALWAYS_S)]), unlimited([OwnerSpan("P", "a", 5)])
    (True, False)
    """
    return any(span.from_s <= ALWAYS_S and span.to_s is None for span in spans)


def windows_ms(spans: Iterable[OwnerSpan]) -> tuple[tuple[int, int], ...]:
    """The first millisecond of each span, and the first one after it.

    >>> windows_ms([OwnerSpan("P", "a", 0, 1.5), OwnerSpan("P", "a", 2)])[0]
    (0, 1500)
    """
    return tuple(
        (round(s.from_s * 1000), _NEVER_MS if s.to_s is None else round(s.to_s * 1000))
        for s in spans
    )
