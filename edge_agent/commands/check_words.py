"""What the doctor looks at in the numbers of each pile: do they make sense as the profile says.

A wrong word order is found before an agent runs, not after weeks of odd numbers.
"""

from __future__ import annotations

from edge_agent.commands.finding import Finding, error, ok, warning
from edge_agent.config import Config, PileConfig
from edge_agent.config_modbus import line_of, transport_of
from edge_agent.core.probe import Fit, limits_of, weigh
from edge_agent.piles.modbus_survey import Surveyor, Target, Unreachable


async def check_words(config: Config) -> list[Finding]:
    """A finding for each pile that is read, one pile after the other: they may share a line."""
    found = []
    for pile in config.piles:
        if not pile.profile.is_modbus:
            continue
        try:
            survey = await Surveyor(pile.profile, _target(pile)).survey()
        except Unreachable:
            continue  # said by the check of its reads
        if survey.answered:
            found.append(_finding(pile, weigh(pile.profile, survey.words)))
    return found


def _finding(pile: PileConfig, fit: Fit) -> Finding:
    pile_id, name = pile.facts.pile_id, pile.profile.profile_id
    told = [
        f"{one.point.name} {one.value:g} {one.unit}".rstrip()
        for one in fit.seen
        if limits_of(fit.profile, one.point) and isinstance(one.value, float | int) and one.value
    ]
    numbers = ", ".join(told) or "no voltage to judge by"
    if fit.swapped:
        return error(
            "word_order",
            f"{pile_id}: {numbers}: the words come in the other order than {name} says",
            f"pilewise agent probe {pile.section.host or pile.section.serial_line} "
            f"--profile {name}; then copy the profile to your profiles_dir and turn word_order",
        )
    if fit.score < 0:
        text = f"{pile_id}: {name} may be the wrong profile: {'; '.join(fit.reasons)}"
        hint = f"pilewise agent probe {pile.section.host or pile.section.serial_line}"
        return warning("profile", text, hint)
    return ok("word_order", f"{pile_id}: {numbers}")


def _target(pile: PileConfig) -> Target:
    section = pile.section
    return Target(
        host=section.host or "",
        serial=section.serial_line or "",
        port=section.port,
        device_id=section.device_id,
        transport=transport_of(section, pile.profile),
        line=line_of(section, pile.profile),
    )
