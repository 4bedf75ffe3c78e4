"""A configuration file becomes a `Config`, or every mistake in it at once, each with its line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edge_agent.config import (
    STATE_DIR,
    AgentFile,
    AgentSection,
    BaySensorsSection,
    ClockSection,
    Config,
    ConnectorSection,
    OcppSection,
    PileConfig,
    PileSection,
    TlsSection,
    UplinkSection,
)
from edge_agent.config_checks import (
    Subnets,
    check_addresses,
    check_modbus_host,
    check_sensors,
    check_tls,
    parse_subnets,
    secret,
)
from edge_agent.config_environment import overrides
from edge_agent.config_modbus import check_modbus_pile, check_shared_lines
from edge_agent.config_ocpp import check_doors, check_ocpp, pile_door, pile_upstream
from edge_agent.core.facts import (
    CONFIG,
    CONNECTOR_STANDARDS,
    DEFAULT,
    PROFILE,
    ConnectorFacts,
    PileFacts,
    power_type_of,
)
from edge_agent.core.profile import Profile
from edge_agent.core.profile_file import ProfileError
from edge_agent.profile_files import read_profiles
from edge_agent.profiles import Shelf
from edge_agent.toml_source import TomlSource

_NONE: Final[Mapping[str, str]] = {}


def load_config(
    path: Path, state_dir: Path = STATE_DIR, environ: Mapping[str, str] = _NONE
) -> Config:
    """The configuration in a file; raises `ConfigError` with every mistake at once.

    `state_dir` is the data folder of a file that names none; what `environ` says goes before the
    file.
    """
    source = TomlSource(path, overrides(environ))
    source.only_known(source.tables, "", AgentFile.__struct_fields__)
    agent = source.section(AgentSection, "agent", required=True)
    clock = source.section(ClockSection, "clock")
    tls = source.section(TlsSection, "tls")
    uplink = source.section(UplinkSection, "uplink")
    ocpp = source.section(OcppSection, "ocpp")
    sensors = source.section(BaySensorsSection, "bay_sensors")
    sections = source.sections(PileSection, "pile")
    folder = path.parent
    subnets = parse_subnets(agent, source)
    _check_pile_ids(source)
    check_addresses(agent, clock, tls or (uplink and uplink.enrol_at), ocpp, source)
    check_sensors(sensors, subnets, folder, source)
    check_tls(tls, uplink, folder, source)
    check_ocpp(ocpp, folder, source)
    password = ""
    if sensors is not None and sensors.password_file:
        password = secret(folder / sensors.password_file, "bay_sensors.password_file", source)
    shelf = _shelf(agent, folder, source)
    piles = [
        _pile(section, f"pile[{i}]", i, agent, ocpp, source, subnets, folder, shelf)
        for i, section in enumerate(sections)
    ]
    check_doors([pile.door for pile in piles if pile and pile.door], ocpp, source)
    check_shared_lines(
        {f"pile[{i}]": p for i, p in enumerate(piles) if p and p.profile.is_modbus}, source
    )
    source.finish()
    assert agent is not None  # a missing section was reported
    return Config(
        agent=agent,
        piles=tuple(pile for pile in piles if pile is not None),
        clock=clock,
        tls=tls,
        uplink=uplink or UplinkSection(),
        ocpp=ocpp,
        bay_sensors=sensors,
        data_dir=folder / (agent.data_dir or state_dir),
        mqtt_password=password,
        source=source,
    )


def _pile(
    section: PileSection,
    key: str,
    index: int,
    agent: AgentSection | None,
    ocpp: OcppSection | None,
    source: TomlSource,
    subnets: Subnets,
    folder: Path,
    shelf: Shelf,
) -> PileConfig | None:
    profile = _profile(section, key, source, shelf)
    plugs = _plugs(section, profile, key, source)
    if profile is None:
        # A host is dialled, so whatever the profile was to be, its network must be named.
        if section.host is not None:
            check_modbus_host(section, key, subnets, source)
        return None
    door, upstream = None, None
    if profile.is_modbus:
        check_modbus_pile(section, profile, key, subnets, source)
        if len(plugs) > 1 and not profile.step.is_set:
            source.report(
                "CFG-019",
                f"profile {section.profile} has registers for one connector, not {len(plugs)}",
                key,
            )
    elif ocpp is None:
        hint = 'add [ocpp] with listen = "127.0.0.1:9000"'
        source.report(
            "CFG-009", f"pile {section.uid} dials in, but nothing listens", key, hint=hint
        )
    else:
        door = pile_door(section, profile, key, ocpp, source, folder)
        upstream = pile_upstream(section, key, ocpp, source, folder)
    default_label = f"{agent.id if agent else ''}*P{index + 1}"
    facts = _facts(section, profile, plugs, default_label)
    secret_path = folder / section.password_file if section.password_file else None
    return PileConfig(section, profile, facts, door, secret_path, upstream)


def _facts(
    section: PileSection, profile: Profile, plugs: tuple[ConnectorFacts, ...], label: str
) -> PileFacts:
    told = [
        "label",
        "maker",
        "model",
        "serial",
        "firmware",
        "station_id",
        "commissioned_at",
        "bay_count",
    ]
    sources = {name: CONFIG for name in told if getattr(section, name) is not None}
    sources.setdefault("label", DEFAULT)
    if section.latitude_deg is not None:
        sources["position"] = CONFIG
    if plugs:
        sources["pile_type"] = sources["evses"] = CONFIG if section.connector else PROFILE
    maker, model = section.maker or "", section.model or ""
    # The profile of a whole protocol knows no maker.
    if profile.is_modbus:
        for name in ("maker", "model"):
            sources.setdefault(name, PROFILE)
        maker, model = maker or profile.maker, model or profile.model
    started = section.commissioned_at
    return PileFacts(
        pile_id=section.uid,
        label=section.label or label,
        connectors=plugs,
        maker=maker,
        model=model,
        serial=section.serial or "",
        firmware=section.firmware or "",
        bay_count=section.bay_count,
        commissioned_at_ms=None if started is None else round(started.timestamp() * 1000),
        latitude_deg=section.latitude_deg,
        longitude_deg=section.longitude_deg,
        station_id=section.station_id or "",
        sources=sources,
    )


def _shelf(agent: AgentSection | None, folder: Path, source: TomlSource) -> Shelf:
    """The profiles that piles may name; mistakes in the operator's own are noted beside others."""
    if agent is None or agent.profiles_dir is None:
        return Shelf()
    own = read_profiles([folder / agent.profiles_dir])
    source.problems += own.problems
    return Shelf(own.profiles)


def _profile(section: PileSection, key: str, source: TomlSource, shelf: Shelf) -> Profile | None:
    try:
        return shelf.take(section.profile)
    except KeyError:
        near = difflib.get_close_matches(section.profile, shelf.names, 1)
        source.report(
            "CFG-007",
            f'unknown profile "{section.profile}"',
            f"{key}.profile",
            note=f"known profiles: {', '.join(shelf.names)}",
            hint=f'set profile = "{near[0]}"' if near else "",
        )
    except ProfileError as error:
        source.report("CFG-017", str(error), f"{key}.profile")
    return None


def _plugs(
    section: PileSection, profile: Profile | None, key: str, source: TomlSource
) -> tuple[ConnectorFacts, ...]:
    found: list[ConnectorFacts] = []
    for i, plug in enumerate(section.connector):
        if plug.standard not in CONNECTOR_STANDARDS:
            _unknown_standard(plug, f"{key}.connector[{i}].standard", source)
        kind = plug.power_type or power_type_of(plug.standard, plug.max_power_kw)
        found.append(ConnectorFacts(plug.standard, kind, plug.max_power_kw))
    if found or profile is None:
        return tuple(found)
    if not profile.connectors and source.sound(f"{key}.connector"):
        source.report(
            "CFG-004",
            f"pile {section.uid} needs its connectors, because profile {profile.profile_id} "
            "does not know them",
            key,
            hint="add [[pile.connector]] with standard and max_power_kw",
        )
    return tuple(
        ConnectorFacts(
            plug.standard,
            profile.power_type or power_type_of(plug.standard, plug.max_power_kw),
            plug.max_power_kw,
        )
        for plug in profile.connectors
    )


def _unknown_standard(plug: ConnectorSection, key: str, source: TomlSource) -> None:
    near = difflib.get_close_matches(plug.standard.replace("-", "_"), CONNECTOR_STANDARDS, 1)
    source.report(
        "CFG-014",
        f'unknown connector standard "{plug.standard}"',
        key,
        note=f"{len(CONNECTOR_STANDARDS)} OCPI names are accepted"
        + (f"; the nearest is {near[0]}" if near else ""),
        hint=f'set standard = "{near[0]}"' if near else "",
    )


def _check_pile_ids(source: TomlSource) -> None:
    """Over the raw tables, so that a pile with another mistake is compared too."""
    tables = source.tables.get("pile", [])
    seen: dict[object, int] = {}
    for i, table in enumerate(tables if isinstance(tables, list) else []):
        uid = table.get("uid") if isinstance(table, dict) else None
        if not isinstance(uid, str):
            continue
        if uid in seen:
            line = source.line(f"pile[{seen[uid]}].uid")
            source.report(
                "CFG-006",
                f'duplicate pile id "{uid}"',
                f"pile[{i}].uid",
                note=f"first on line {line}",
            )
        seen.setdefault(uid, i)
