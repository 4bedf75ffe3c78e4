"""What a profile that can be read may still have wrong: reads that cannot be done, loose ends.

Mistakes in single tables are found by `profile_file.py` while it reads them.
"""

from __future__ import annotations

from edge_agent.core.decoder import Decoder
from edge_agent.core.profile import VALUE_FIELDS, Profile
from edge_agent.core.profile_table import MISSING, UNREADABLE_MAP, WRONG_VALUE, Mistake
from edge_agent.core.registers import NUMBER_KINDS, Span


def audit(profile: Profile) -> list[Mistake]:
    """Everything that is wrong with a profile as a whole; OCPP profiles only need their sources."""
    found: list[Mistake] = []
    if not profile.is_modbus:
        return found
    if not profile.unverified and not profile.verified_on:
        text = "say what is unverified, or name in verified_on the firmware it was seen with"
        found.append(Mistake(MISSING, "unverified", text))
    if not profile.power_type:
        found.append(Mistake(MISSING, "power_type", "power_type is missing"))
    if len(profile.connectors) > 1 and not profile.step.is_set:
        text = f"{len(profile.connectors)} connectors, but nothing leads to the second: add [step]"
        found.append(Mistake(MISSING, "step", text))
    return found + _reads(profile) + _writes(profile)


def _reads(profile: Profile) -> list[Mistake]:
    found = []
    for point in profile.points.values():
        key = f"point.{point.name}"
        span = Span(point.function, point.register, point.words)
        if span.end > 0x10000:
            found.append(Mistake(UNREADABLE_MAP, key, "reaches beyond register 0xFFFF"))
        if point.kind in NUMBER_KINDS and point.words > profile.max_registers:
            text = (
                f"{point.kind} has {point.words} registers, but the device gives "
                f"{profile.max_registers} at once: the number could be torn"
            )
            found.append(Mistake(UNREADABLE_MAP, f"{key}.kind", text))
        for first, last in profile.forbidden:
            if span.address <= last and first < span.end:
                text = f"stands in registers {first} to {last}, which are forbidden"
                found.append(Mistake(UNREADABLE_MAP, f"{key}.register", text))
        if point.feeds in VALUE_FIELDS and point.scale == 0:
            found.append(Mistake(WRONG_VALUE, f"{key}.scale", "scale = 0 leaves no value"))
    if not found:
        connectors = max(1, len(profile.connectors), 2 if profile.step.is_set else 1)
        try:
            Decoder(profile, [f"*{n}" for n in range(1, connectors + 1)])
        except ValueError as error:
            found.append(Mistake(UNREADABLE_MAP, "modbus", str(error)))
    return found


def _writes(profile: Profile) -> list[Mistake]:
    found = []
    names = [span.name for span in profile.writes]
    for i, span in enumerate(profile.writes):
        if span.name in names[:i]:
            text = f'"{span.name}" is there twice: a command would not know which to write'
            found.append(Mistake(WRONG_VALUE, f"write[{i}].name", text))
    return found
