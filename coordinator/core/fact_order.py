"""Whose word on a pile counts: one order of sources for every fact of a pile.

What the facts are is in `pile_facts.py`; who is asked is the inventory's affair.
"""

from __future__ import annotations

from dataclasses import replace

from coordinator.core.pile import Evse, Pile

# The agent's configuration first. Source: rules.md 1 (config, BootNotification, profile registers,
# GNSS over MQTT; config wins); the operator's own word (PutPiles) stands next to it.
ORDER: tuple[str, ...] = (
    "config",
    "operator",
    "boot_notification",
    "registers",
    "gnss",
    "agent",
    "profile",
    "import",
    "default",
    "assumed",
)
_RANK = {source: rank for rank, source in enumerate(ORDER)}
AGENT, OPERATOR, IMPORT = "agent", "operator", "import"

# Attributes that hold a fact, by the field of `PileFacts` under which its source stands.
FIELDS: dict[str, tuple[str, ...]] = {
    "label": ("label",),
    "maker": ("maker",),
    "model": ("model",),
    "serial": ("serial",),
    "firmware": ("firmware",),
    "commissioned_at": ("commissioned_at_s",),
    "bay_count": ("bay_count",),
    "address": ("address",),
    "position": ("latitude_deg", "longitude_deg"),
}


def wins(said: str, known: str) -> bool:
    """Whether a fact of this source replaces a known one of that source; the same source does.

    >>> wins("operator", "boot_notification"), wins("registers", "operator"), wins("gnss", "gnss")
    (True, False, True)
    """
    return _rank(said) <= _rank(known)


def _rank(source: str) -> int:
    return _RANK.get(source, _RANK[IMPORT])


def with_facts(known: Pile, said: Pile, unsaid: str) -> Pile:
    """The known pile with the facts that were said of it and win; its station stays.

    `unsaid` is the source of facts for which none is named. EVSEs that are said replace those of
    the same id, others are only added.
    """
    told: dict[str, object] = {}
    sources = dict(known.sources)
    for field, attributes in FIELDS.items():
        values = {name: getattr(said, name) for name in attributes}
        if any(value in ("", 0, None) for value in values.values()):
            continue
        source = said.sources.get(field, unsaid)
        is_known = all(getattr(known, name) not in ("", 0, None) for name in attributes)
        if is_known and not wins(source, known.sources.get(field, IMPORT)):
            continue
        told |= values
        sources[field] = source
    sources |= {k: v for k, v in said.sources.items() if k not in FIELDS and k != "station"}
    return replace(known, **told, evses=_evses(known, said), sources=sources)  # type: ignore[arg-type]


def overruled(known: Pile, said: Pile, unsaid: str) -> list[str]:
    """Fields on which another source keeps its word against what was said."""
    made = with_facts(known, said, unsaid)
    return [
        field
        for field, attributes in FIELDS.items()
        if any(
            getattr(said, name) not in ("", 0, None) and getattr(said, name) != getattr(made, name)
            for name in attributes
        )
    ]


def _evses(known: Pile, said: Pile) -> tuple[Evse, ...]:
    if not said.evses:
        return known.evses
    named = {evse.evse_id for evse in said.evses}
    return said.evses + tuple(evse for evse in known.evses if evse.evse_id not in named)
