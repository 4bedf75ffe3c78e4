"""`python -m edge_agent probe HOST`: reads a device and tells which profile fits it.

Nothing is written. Exit codes: 0 a profile fits, 1 none does, 2 wrong usage, 3 mistakes in a
profile, 4 nothing answers.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from edge_agent.commands.profile import meant, shelf_of
from edge_agent.commands.speaking import CONFIG, FAILED, OK, UNREACHABLE, emit, say, trouble
from edge_agent.core.probe import Fit, Seen, weigh
from edge_agent.core.profile import Profile
from edge_agent.piles.modbus_address import RTU_OVER_TCP, TCP
from edge_agent.piles.modbus_survey import Survey, Surveyor, Target, Unreachable
from edge_agent.profiles import Shelf
from pilewise.patience import waiting
from pilewise.wrong_words import WordParser


def main(arguments: list[str]) -> int:
    """The exit code of the command with these arguments."""
    parser = WordParser(prog="python -m edge_agent probe", description=__doc__)
    parser.add_argument("host", nargs="?", default="", help="where the device is reached over TCP")
    parser.add_argument("--serial", default="", help="a serial device instead of a host")
    parser.add_argument("--port", type=int, help="TCP port; else the profile's")
    parser.add_argument("--device-id", type=int, help="unit id; else the profile's")
    parser.add_argument("--profile", default="", help="only this profile; else each is tried")
    parser.add_argument("--transport", default="", choices=["", TCP, RTU_OVER_TCP])
    parser.add_argument("--profiles-dir", type=Path, help="a folder of your own profiles")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end")
    options = parser.parse_args(arguments)
    if bool(options.host) == bool(options.serial):
        parser.error("name a host or --serial DEVICE, one of both")
    shelf = shelf_of(options.profiles_dir)
    if shelf is None:
        return CONFIG
    profiles = _candidates(shelf, options.profile, bool(options.serial), options.transport)
    if not profiles:
        known = [name for name in shelf.names if shelf.take(name).is_modbus]
        hint = meant(options.profile, known)
        trouble("CMD-003", f'no register map "{options.profile}"', hint=hint)
        return FAILED
    target = Target(
        options.host, options.serial, options.port, options.device_id, options.transport
    )
    try:
        with waiting(f"trying {len(profiles)} profiles", plain=True):
            found = asyncio.run(_look(profiles, target))
    except Unreachable as error:
        trouble("CMD-004", str(error), hint="check address, port, cable and power")
        return UNREACHABLE
    return _tell(found, target, named=bool(options.profile), as_json=options.json)


def _candidates(shelf: Shelf, name: str, serial: bool, transport: str) -> list[Profile]:
    if name:
        known = name in shelf.names and shelf.take(name).is_modbus
        return [shelf.take(name)] if known else []
    profiles = [profile for n in shelf.names if (profile := shelf.take(n)).is_modbus]
    wanted = "modbus-rtu" if serial else transport or TCP
    return [profile for profile in profiles if wanted in profile.transports]


async def _look(profiles: list[Profile], target: Target) -> list[tuple[Fit, Survey]]:
    """Each profile with what the device answered to it, the best first."""
    found: list[tuple[Fit, Survey]] = []
    trouble_seen: Unreachable | None = None
    for profile in profiles:
        try:
            survey = await Surveyor(profile, target).survey()
        except Unreachable as error:
            trouble_seen = error
            continue
        found.append((weigh(profile, survey.words), survey))
    if not found:
        raise trouble_seen or Unreachable("nothing was tried")
    if not any(survey.answered for _, survey in found):
        raise Unreachable(f"{target.host or target.serial} is connected, but answers nothing")
    return sorted(found, key=lambda pair: -pair[0].score)


def _tell(found: list[tuple[Fit, Survey]], target: Target, *, named: bool, as_json: bool) -> int:
    best, survey = found[0]
    fits = best.fits(named=named)
    rows = [_row(one, survey) for one in best.seen]
    told: dict[str, Any] = {
        "device": target.host or target.serial,
        "profile": best.profile.profile_id if fits else None,
        "word_order": "swapped" if best.swapped else "as in the profile",
        "fits": [
            {"profile": fit.profile.profile_id, "score": fit.score, "reasons": list(fit.reasons)}
            for fit, _ in found
        ],
        "evses": [
            {
                "evse": reading.evse_id,
                "status": reading.status.name,
                "faults": [fault.code for fault in reading.faults],
            }
            for reading in best.readings
        ],
        "points": rows,
    }
    for fit, _ in found[:3]:
        say(f"{fit.score:5d}  {fit.profile.profile_id}: {'; '.join(fit.reasons)}")
    _table(rows)
    for evse in told["evses"]:
        say(f"{evse['evse']}: {evse['status']} {' '.join(evse['faults'])}".rstrip())
    if best.swapped:
        _warn_of_order(best)
    if fits:
        say(f'fits: profile = "{best.profile.profile_id}"')
    else:
        trouble(
            "CMD-005",
            "no profile fits what the device answers",
            hint="try --device-id, or write a profile: docs/profiles.md",
        )
    if as_json:
        emit(told)
    return OK if fits else FAILED


def _row(one: Seen, survey: Survey) -> dict[str, Any]:
    place = one.span.device, one.span.function, one.span.address
    read_s = survey.read_s.get(place)
    value = one.value
    return {
        "point": one.point.name,
        "connector": one.connector,
        "register": f"{one.span.function}:{one.span.address}",
        "raw": " ".join(f"{word:04x}" for word in one.words),
        "value": round(value, 6) if isinstance(value, float) else value,
        "unit": one.unit,
        "age_s": None if read_s is None else round(time.monotonic() - read_s, 3),
        "doubt": one.doubt,
    }


def _table(rows: list[dict[str, Any]]) -> None:
    say(f"{'point':22} {'register':>10}  {'raw':20} {'value':>14} {'unit':4} {'age':>8}")
    for row in rows:
        value = "-" if row["value"] is None else row["value"]
        age = "refused" if row["age_s"] is None else f"{row['age_s']:.2f} s"
        name = row["point"] if row["connector"] == 1 else f"{row['point']} ({row['connector']})"
        raw = row["raw"] if len(row["raw"]) <= 20 else f"{row['raw'][:17]}..."
        doubt = f"  <- {row['doubt']}?" if row["doubt"] else ""
        shown = f"{value!s:>14} {row['unit']:4} {age:>8}"
        say(f"{name:22} {row['register']:>10}  {raw:20} {shown}{doubt}")


def _warn_of_order(best: Fit) -> None:
    wrong = next(one.point for one in best.seen if one.doubt)
    order = "big" if wrong.word_order == "little" else "little"
    trouble(
        "CMD-006",
        f"the words of {best.profile.profile_id} come in the other order",
        note="voltage and frequency make sense the other way round only",
        hint=f'copy the profile to your profiles_dir and write word_order = "{order}"',
    )
