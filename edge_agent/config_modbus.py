"""Where Modbus piles are reached, and every way in which two of them cannot be reached together.

Which other keys a pile has is checked in `config_file.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Final

from edge_agent.config import PileConfig, PileSection
from edge_agent.config_checks import Subnets, check_modbus_host
from edge_agent.core.profile import Profile
from edge_agent.core.profile_access import SerialLine
from edge_agent.core.registers import STATION_DEVICE
from edge_agent.toml_source import TomlSource

RTU: Final = "modbus-rtu"
RTU_OVER_TCP: Final = "modbus-rtu-over-tcp"
_LINE_KEYS: Final = ("baud", "parity", "stop_bits")
# On a line 0 is everybody at once, and what lies above 247 is reserved.
_RTU_UNITS: Final = range(1, 248)


@dataclass(frozen=True, slots=True)
class Place:
    """What is opened to reach a pile: a host and port, or the path of a serial line."""

    transport: str
    target: str
    port: int = 0

    def __str__(self) -> str:
        return self.target if self.transport == RTU else f"{self.target}:{self.port}"


def transport_of(section: PileSection, profile: Profile) -> str:
    """How the pile is spoken to: as the file says, over its serial line, or as is usual."""
    if section.transport is not None:
        return section.transport
    return RTU if section.serial_line is not None else profile.transport


def line_of(section: PileSection, profile: Profile) -> SerialLine:
    """The settings of the pile's serial line: the file's, or the profile's."""
    usual = profile.serial
    return SerialLine(
        section.baud or usual.baud,
        usual.data_bits,
        section.parity or usual.parity,
        section.stop_bits or usual.stop_bits,
    )


def reach(section: PileSection, profile: Profile, connectors: int) -> dict[int, tuple[Place, int]]:
    """For each device of the pile, as in `Span.device`, where it is and its unit id."""
    transport = transport_of(section, profile)
    unit = profile.device_id if section.device_id is None else section.device_id
    devices = list(range(connectors)) if profile.step.many_devices else [0]
    if profile.station_device_id is not None:
        devices.append(STATION_DEVICE)
    found: dict[int, tuple[Place, int]] = {}
    for device in devices:
        port, device_unit = profile.reach(device, section.port or profile.port, unit)
        if transport == RTU:
            found[device] = Place(transport, section.serial_line or ""), device_unit
        else:
            found[device] = Place(transport, section.host or "", port), device_unit
    return found


def check_modbus_pile(
    section: PileSection, profile: Profile, key: str, subnets: Subnets, source: TomlSource
) -> None:
    """Notes a transport that the model does not have, and keys that do not go with it."""
    transport = transport_of(section, profile)
    # Whatever hangs on a line can hang behind a converter.
    spoken = (*profile.transports, *([RTU_OVER_TCP] if RTU in profile.transports else []))
    if transport not in spoken:
        source.report(
            "CFG-021",
            f"{profile.profile_id} is not spoken to over {transport}",
            f"{key}.transport" if section.transport else f"{key}.serial_line",
            note=f"its profile has {', '.join(spoken)}",
        )
    if transport == RTU:
        _check_line(section, key, source)
        return
    check_modbus_host(section, key, subnets, source)
    for name in ("serial_line", *_LINE_KEYS):
        if getattr(section, name) is not None:
            source.report(
                "CFG-021",
                f"{name} is for a serial line, and pile {section.uid} has none",
                f"{key}.{name}",
                hint='set transport = "modbus-rtu", or set the line at the converter',
            )


def _check_line(section: PileSection, key: str, source: TomlSource) -> None:
    if section.serial_line is None:
        source.report(
            "CFG-004",
            f"pile {section.uid} needs a serial_line",
            key,
            hint='add serial_line = "/dev/serial/by-id/..."; ls -l /dev/serial/by-id shows them',
        )
    elif not PurePosixPath(section.serial_line).is_absolute():
        source.report("CFG-012", f'"{section.serial_line}" is no path', f"{key}.serial_line")
    elif find_spec("serial") is None:
        source.report(
            "CFG-022",
            "serial lines need pyserial",
            f"{key}.serial_line",
            hint="pip install 'pilewise[serial]'",
        )
    for name in ("host", "port"):
        if getattr(section, name) is not None:
            message = f"{name} is for TCP, and pile {section.uid} is on a serial line"
            source.report("CFG-021", message, f"{key}.{name}")


def check_shared_lines(piles: Mapping[str, PileConfig], source: TomlSource) -> None:
    """Notes piles that share a line with other settings, a port with other frames, or a unit."""
    lines: dict[str, tuple[str, SerialLine]] = {}
    frames: dict[str, tuple[str, str]] = {}
    units: dict[tuple[str, int], tuple[str, str]] = {}
    for key, pile in piles.items():
        section, profile = pile.section, pile.profile
        line = line_of(section, profile)
        connectors = max(len(pile.facts.connectors), 1)
        for place, unit in dict.fromkeys(reach(section, profile, connectors).values()):
            if not place.target:
                continue  # said already
            first_key, transport = frames.setdefault(str(place), (key, place.transport))
            if transport != place.transport:
                text = f"{place} speaks {transport} for another pile"
                source.report("CFG-020", text, key, note=_first(first_key, source))
            if place.transport == RTU:
                first_key, other = lines.setdefault(place.target, (key, line))
                if other != line:
                    text = f"{place} is set to {_told(other)} by another pile, here {_told(line)}"
                    source.report("CFG-020", text, key, note=_first(first_key, source))
                _check_rtu_unit(unit, key, source)
            taken, uid = units.setdefault((str(place), unit), (key, section.uid))
            if uid != section.uid:
                source.report(
                    "CFG-023",
                    f"unit {unit} at {place} is read as another pile already",
                    key,
                    note=_first(taken, source),
                    hint="give each pile on a line or gateway its own device_id",
                )


def _check_rtu_unit(unit: int, key: str, source: TomlSource) -> None:
    if unit not in _RTU_UNITS:
        source.report(
            "CFG-012", f"unit {unit} does not exist on a serial line", key, hint="set device_id"
        )


def _first(key: str, source: TomlSource) -> str:
    return f"first on line {source.line(key)}"


def _told(line: SerialLine) -> str:
    return f"{line.baud} {line.data_bits}{line.parity}{line.stop_bits}"


def is_named_by_plugging(path: str) -> bool:
    """Whether a line's name depends on which adapter was plugged in first.

    >>> is_named_by_plugging("/dev/ttyUSB0"), is_named_by_plugging("/dev/serial/by-id/usb-FTDI")
    (True, False)
    """
    return path.startswith(("/dev/ttyUSB", "/dev/ttyACM"))
