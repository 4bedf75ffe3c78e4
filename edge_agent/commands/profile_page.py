"""What `profile list` and `profile show` tell of a profile, as plain tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge_agent.core.profile import Point, Profile, StateMap
from edge_agent.core.profile_access import KeepAlive, WriteSpan
from edge_agent.profiles import Shelf


def summary(profile: Profile, shelf: Shelf) -> dict[str, Any]:
    """One line of the list."""
    return {
        "profile": profile.profile_id,
        "maker": profile.maker,
        "model": profile.model,
        "transports": list(profile.transports),
        "own": shelf.is_own(profile.profile_id),
    }


def page(profile: Profile, shelf: Shelf) -> dict[str, Any]:
    """All that is known of a model; what it does not have is left out."""
    told: dict[str, Any] = summary(profile, shelf)
    told["transports"] = ", ".join(profile.transports)
    if profile.is_modbus:
        told["reached_at"] = _reached(profile)
        told["reads"] = _reads(profile)
    told["points"] = [_point(point) for point in profile.points.values()]
    told["states"] = _states(profile.state) + _states(profile.station_state)
    told["faults"] = [
        {"raw": f"{m.point} {'bit ' if m.bits else ''}{raw}", "code": code}
        for m in profile.fault_maps
        for raw, code in m.codes.items()
    ]
    told["keep_alive"] = [_keep_alive(beat) for beat in profile.keep_alives]
    told["may_be_written"] = [_write(span) for span in profile.writes]
    told["sources"] = list(profile.sources)
    told["verified_on"] = list(profile.verified_on)
    told["unverified"] = list(profile.unverified)
    return {key: value for key, value in told.items() if value not in ([], "")}


def markdown(profiles: Sequence[Profile]) -> str:
    """The models as a table, each with what is unverified of it."""
    lines = ["| Profile | Model | Reached over | Unverified |", "|---|---|---|---|"]
    for profile in profiles:
        doubts = "; ".join(profile.unverified).replace("|", "/")
        lines.append(
            f"| `{profile.profile_id}` | {profile.maker} {profile.model} "
            f"| {', '.join(profile.transports)} | {doubts} |"
        )
    return "\n".join(lines)


def _reached(profile: Profile) -> str:
    line, step = profile.serial, profile.step
    words = [f"unit {profile.device_id}"]
    if "modbus-rtu" in profile.transports:
        words.append(f"{line.baud} baud {line.data_bits}{line.parity}{line.stop_bits}")
    if profile.transport == "modbus-tcp":
        words.insert(0, f"port {profile.port}")
    if profile.station_device_id is not None:
        words.append(f"station at unit {profile.station_device_id}")
    for count, what in (
        (step.registers, "registers"),
        (step.device_ids, "unit id"),
        (step.ports, "port"),
    ):
        if count:
            words.append(f"next connector {count} {what} further")
    return ", ".join(words)


def _reads(profile: Profile) -> str:
    words = [f"at most {profile.max_registers} registers at once"]
    if profile.gap_s:
        words.append(f"{profile.gap_s:g} s of silence between")
    if profile.warm_up:
        words.append("twice, because the first only wakes the device")
    if profile.single_client:
        words.append("one client only")
    if profile.longest_period_s:
        words.append(f"at least every {profile.longest_period_s:g} s")
    words += [f"never {first} to {last}" for first, last in profile.forbidden]
    return ", ".join(words)


def _point(point: Point) -> dict[str, Any]:
    how = point.kind
    if point.word_order == "little":
        how += " low word first"
    if point.byte_order == "little":
        how += " low byte first"
    if point.scale != 1.0:
        how += f" x {point.scale:g}"
    if point.variants:
        how += ", differs by firmware or product"
    return {
        "point": point.name,
        "where": f"{'station ' if point.station else ''}{_where(point.function, point.register)}",
        "how": how,
        "feeds": point.feeds,
        "read": "once" if point.once else "by hand" if point.spare else "",
    }


def _where(function: int, register: int) -> str:
    """As the vendors write it: some in decimal, some in hexadecimal digits."""
    return f"{function}:{register} ({register:#06x})"


def _states(state_map: StateMap | None) -> list[dict[str, Any]]:
    if state_map is None:
        return []
    return [
        {
            "raw": f"{state_map.point} = {raw}",
            "word": f"{rule.word}, or {rule.otherwise} where {rule.when} < {rule.at_least:#x}"
            if rule.when
            else rule.word,
            "fault": state_map.implied_faults.get(raw, ""),
        }
        for raw, rule in state_map.rules.items()
    ]


def _keep_alive(beat: KeepAlive) -> dict[str, Any]:
    what = f" {', '.join(f'{value:#x}' for value in beat.values)}" if beat.values else ""
    period = f"every {beat.period_s:g} s"
    if beat.period_register is not None:
        period = f"every {beat.period_factor:g} x register {beat.period_register}, else {period}"
    return {"action": f"{beat.action}{what}", "where": _where(beat.function, beat.register),
            "period": period}  # fmt: skip


def _write(span: WriteSpan) -> dict[str, Any]:
    expires = "" if span.expires_s is None else f"forgotten after {span.expires_s:g} s"
    return {
        "name": span.name,
        "where": f"{_where(span.function, span.register)} x {span.count}",
        "range": f"{span.lowest} to {span.highest}",
        "expires": expires,
    }
