"""The agent's configuration: its keys, their units and defaults.

Reading a file and checking it belongs to `config_file.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from edge_agent.core.facts import PileFacts
from edge_agent.core.ocpp_admission import Door
from edge_agent.core.profile import Profile
from edge_agent.toml_source import TomlSource

Identifier = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:*-]{1,64}$")]
Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0)]
SecurityProfile = Annotated[int, Meta(ge=0, le=3)]
Period = Annotated[float, Meta(ge=0.2, le=3600)]


# Where systemd's StateDirectory= of the unit leads.
STATE_DIR: Final = Path("/var/lib/pilewise-agent")


class AgentSection(msgspec.Struct, frozen=True):
    """`[agent]`: who it is, where it reports, where it keeps its spool.

    `profiles_dir` is a folder of the operator's own device profiles.
    """

    id: Identifier
    coordinator: str
    data_dir: str | None = None
    period_s: Period = 1.0
    heartbeat_s: Seconds = 20.0
    metrics: str | None = None
    profiles_dir: str | None = None
    pile_subnets: list[str] = []


class ClockSection(msgspec.Struct, frozen=True):
    """`[clock]`: domain time; absent means system UTC."""

    epoch_at_ms: int
    anchor_s: float
    speed: Annotated[float, Meta(gt=0)]


class TlsSection(msgspec.Struct, frozen=True):
    """`[tls]`: files of the channel to the coordinator."""

    ca_file: str
    cert_file: str | None = None
    key_file: str | None = None


class UplinkSection(msgspec.Struct, frozen=True):
    """`[uplink]`: how the stream behaves; real seconds. `spool_max_mib`: room for what waits.

    With `enrol_at` the agent keeps a certificate of its own: it enrols there with the token of
    `token_file`, and believes whoever `tls.ca_file` or `ca_hash` vouches for.
    """

    batch_records: Annotated[int, Meta(ge=1, le=500)] = 200
    batch_bytes: Annotated[int, Meta(ge=1024, le=262144)] = 65536
    batch_linger_s: Annotated[float, Meta(ge=0, le=60)] = 0.5
    beat_s: Seconds = 20.0
    dead_s: Seconds = 60.0
    backoff_base_s: Seconds = 0.5
    backoff_cap_s: Seconds = 40.0
    confirm_s: Annotated[float, Meta(ge=1, le=3600)] = 120.0
    spool_max_mib: Annotated[int, Meta(ge=8, le=1_048_576)] = 1024
    enrol_at: str | None = None
    token_file: str | None = None
    ca_hash: Annotated[str, Meta(pattern=r"^sha256:[0-9A-Fa-f]{64}$")] | None = None


class OcppSection(msgspec.Struct, frozen=True):
    """`[ocpp]`: the local central system that OCPP piles dial, and the operator's behind it.

    `listen` takes ws:// for security profiles 0 and 1, else wss://; `listen_tls` is for agents
    that need both. `url` is how piles reach this gateway where that is not where it listens.
    `queue_max_mib`: room for what waits for the operator's system. `configure_relayed` lets the
    agent set sampling and heartbeat of piles that the operator's system looks after.
    """

    listen: str
    listen_tls: str | None = None
    url: str | None = None
    security_profile: SecurityProfile = 0
    cert_file: str | None = None
    key_file: str | None = None
    ca_file: str | None = None
    ping_s: Seconds = 20.0
    accept_without_subprotocol: bool = False
    authorize: Literal["accept", "list", "reject"] = "accept"
    id_tags: list[str] = []
    upstream: str | None = None
    upstream_password_file: str | None = None
    upstream_ca_file: str | None = None
    upstream_cert_file: str | None = None
    upstream_key_file: str | None = None
    offline_authorize: Literal["accept", "list", "reject", "cached"] = "cached"
    reconnect_base_s: Seconds = 1.0
    reconnect_cap_s: Seconds = 60.0
    queue_max_mib: Annotated[int, Meta(ge=1, le=65_536)] = 256
    configure_relayed: bool = False


class BaySensorsSection(msgspec.Struct, frozen=True):
    """`[bay_sensors]`: the MQTT broker of the site's sensors."""

    mqtt: str
    prefix: Annotated[str, Meta(pattern=r"^[^+#\s]{1,128}$")] = "pilewise"
    ttl_s: Seconds = 30.0
    username: str | None = None
    password_file: str | None = None
    ca_file: str | None = None


class ConnectorSection(msgspec.Struct, frozen=True):
    """`[[pile.connector]]`: one plug, which is one EVSE."""

    standard: str
    max_power_kw: Annotated[float, Meta(gt=0, le=4000)]
    power_type: (
        Literal["AC_1_PHASE", "AC_2_PHASE", "AC_2_PHASE_SPLIT", "AC_3_PHASE", "DC"] | None
    ) = None


class PileSection(msgspec.Struct, frozen=True):
    """`[[pile]]`: one pile; how it is reached defaults to the profile's.

    `serial` is its serial number; the line it hangs on is `serial_line`. `writes` lets the agent
    write what the profile's keep-alives and commands need; without it nothing is ever written.
    """

    uid: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,60}$")]
    profile: str
    host: str | None = None
    port: Port | None = None
    device_id: Annotated[int, Meta(ge=0, le=255)] | None = None
    transport: Literal["modbus-tcp", "modbus-rtu", "modbus-rtu-over-tcp"] | None = None
    serial_line: str | None = None
    baud: Annotated[int, Meta(ge=300, le=1_000_000)] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stop_bits: Literal[1, 2] | None = None
    writes: bool = False
    period_s: Period | None = None
    identity: str | None = None
    password_file: str | None = None
    security_profile: SecurityProfile | None = None
    upstream: str | None = None
    upstream_password_file: str | None = None
    station_id: Identifier | None = None
    label: str | None = None
    maker: str | None = None
    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    bay_count: Annotated[int, Meta(ge=0, le=100)] | None = None
    commissioned_at: Annotated[datetime, Meta(tz=True)] | None = None
    latitude_deg: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude_deg: Annotated[float, Meta(ge=-180, le=180)] | None = None
    connector: list[ConnectorSection] = []


class AgentFile(msgspec.Struct, frozen=True):
    """A whole agent.toml."""

    agent: AgentSection
    pile: list[PileSection] = []
    clock: ClockSection | None = None
    tls: TlsSection | None = None
    uplink: UplinkSection = UplinkSection()
    ocpp: OcppSection | None = None
    bay_sensors: BaySensorsSection | None = None


@dataclass(frozen=True, slots=True)
class UpstreamConfig:
    """The operator's own central system for one pile; `url` is in front of the identity."""

    url: str
    password: bytes = b""
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class PileConfig:
    """One pile, ready to be built: its section, its profile and its facts.

    `door` is how an OCPP pile comes in, `password_path` the file that its keys were read from.
    """

    section: PileSection
    profile: Profile
    facts: PileFacts
    door: Door | None = None
    password_path: Path | None = None
    upstream: UpstreamConfig | None = None

    def period_s(self, agent: AgentSection) -> float:
        """Seconds between two readings: the pile's own word, else its model's, else the agent's."""
        return self.section.period_s or self.profile.period_s or agent.period_s


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration without mistakes. `source` points at lines for errors found later."""

    agent: AgentSection
    piles: tuple[PileConfig, ...]
    clock: ClockSection | None
    tls: TlsSection | None
    uplink: UplinkSection
    ocpp: OcppSection | None
    bay_sensors: BaySensorsSection | None
    data_dir: Path
    mqtt_password: str
    source: TomlSource
