"""The configuration file of a coordinator: its settings, and every fault in it at once.

Read once, checked whole, passed down. Nothing below `__main__` reads the environment.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec

from coordinator.addresses import address_faults
from coordinator.config_city import CitySection, city_faults
from coordinator.config_identity import IdentitySection, identity_faults
from coordinator.config_limits import LimitsSection, limits_faults
from coordinator.config_ocpi import OcpiSection, ocpi_faults
from coordinator.config_places import Lines, override
from coordinator.config_places import where as _where
from coordinator.config_privacy import PrivacySection
from coordinator.config_security import SecuritySection, security_faults
from coordinator.config_store import StoreSection, store_faults
from coordinator.config_tls import EnrolmentSection, TlsSection, enrolment_faults, tls_faults
from coordinator.config_web import WebSection, web_faults
from coordinator.core.recommend.rules import DEFAULT_RULES, Rules
from coordinator.core.reliability.baselines import Prior
from coordinator.core.reliability.map_settings import Algorithm, MapSettings, faults_of
from coordinator.core.reliability.pile_vector import ATTRIBUTES
from coordinator.core.reliability.similarity import Measure
from coordinator.core.vehicle import SelectBy
from coordinator.errors import ConfigInvalid, Problem

Positive = Annotated[float, msgspec.Meta(gt=0)]
Identifier = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:*-]{1,64}$")]


class CoordinatorSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who this is, where it listens, where it keeps its data."""

    district: Identifier
    # What is run: a district, or the city above districts, which keeps nothing on disk.
    role: Literal["district", "city"] = "district"
    # Needed by a district.
    data_dir: str = ""
    listen: str = "127.0.0.1:0"
    # True: an agent may bring piles that nobody owns yet; the first comer owns them. Absent: true
    # without [tls], else false.
    agent_open: bool | None = None
    # An EVSE not heard of for so long counts as UNKNOWN, link time.
    stale_after_s: Positive = 60.0
    # Local days that count as weekends in the drivers' histories, e.g. [2026-12-25].
    holidays: tuple[date, ...] = ()
    # CSV or JSON of surroundings, read at start and whenever it changes; empty means none.
    context_file: str = ""
    # host:port of the Prometheus page; empty means none.
    metrics: str = ""
    # Seconds that calls under way may take after SIGTERM.
    grace_s: Positive = 20.0


class ClockSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Domain time = epoch + (monotonic - anchor) x speed."""

    epoch_at_ms: int = 0
    anchor_s: float = 0.0
    speed: Positive = 1.0


class ModelsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which models are served; empty means the bundled ones."""

    bundle: str = ""
    # PEM files of Ed25519 public keys; a bundle must be signed by one of them.
    trusted_keys: tuple[str, ...] = ()
    # True: a bundle without a signature is taken too. A wrong signature never is.
    allow_unsigned: bool = False


class KnowledgeSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The knowledge map; meaning and bounds of its figures are those of `MapSettings`."""

    threshold: float = 0.8
    measure: Measure = Measure.COSINE
    attributes: tuple[str, ...] = ATTRIBUTES
    prior: Prior = Prior.MODEL
    max_edges: int = 32
    order: int = 2
    edge_weights: tuple[float, float] = (0.5, 0.5)
    theta: float = 0.5
    algorithm: Algorithm = Algorithm.ANCHORED
    kappa_days: float = 20.0
    # One share of the neighbours for all piles; 0 to 0.99. Absent: by evidence, with kappa_days.
    share: float | None = None
    alpha: float = 0.5
    beta: float = 0.5
    # When it is updated, and after how much domain time regularly.
    conditions: tuple[Literal["regular", "real_time", "specific"], ...] = ("regular", "specific")
    period_s: Positive = 600.0
    # After a fault: only piles of its type (AC or DC), the others at the next regular update.
    same_type: bool = False

    def map_settings(self) -> MapSettings:
        """The figures that the map itself works with."""
        names = {field.name for field in dataclasses.fields(MapSettings)}
        given = {name: getattr(self, name) for name in self.__struct_fields__ if name in names}
        return MapSettings(**given)


class RecommendSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of the documents' ways the recommendation goes, where there are several."""

    # Order of candidates for requests that do not say.
    select_by: Literal[
        "cost", "merged", "ranker", "time", "queue", "total_time", "preference", "price",
        "traffic", "integrated",
    ] = "cost"  # fmt: skip
    # What the weight of the failure score grows with, or that both scores are added.
    weights_by: Literal["evidence", "iterations", "sum"] = "evidence"
    # Wait and charge: everyone ahead and a tapering curve, or as the paper prints them.
    waiting: Literal["everyone", "printed"] = "everyone"
    taken_retry_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0  # a plug found taken, beyond the wait

    def rules(self) -> Rules:
        """The rules of the pipeline with these ways."""
        return replace(
            DEFAULT_RULES,
            select_by=SelectBy[self.select_by.upper()],
            weights_by=self.weights_by,
            waiting=self.waiting,
            taken_retry_s=self.taken_retry_s,
        )


class ReplanSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The joint re-plan of all cars on their way."""

    enabled: bool = True
    period_s: Positive = 30.0  # domain time between two rounds
    budget_s: Positive = 2.0  # of the matcher; cars that it has no time for keep what they have
    weighted: bool = False  # True: warning levels are weighed, not served strictly in order


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole configuration file."""

    coordinator: CoordinatorSection
    clock: ClockSection = ClockSection()
    models: ModelsSection = ModelsSection()
    knowledge: KnowledgeSection = KnowledgeSection()
    recommend: RecommendSection = RecommendSection()
    replan: ReplanSection = ReplanSection()
    web: WebSection = WebSection()
    tls: TlsSection = TlsSection()
    enrolment: EnrolmentSection = EnrolmentSection()
    ocpi: OcpiSection = OcpiSection()
    identity: IdentitySection = IdentitySection()
    city: CitySection = CitySection()
    privacy: PrivacySection = PrivacySection()
    store: StoreSection = StoreSection()

    @property
    def agent_open(self) -> bool:
        """Whether the first agent to bring a pile may own it."""
        told = self.coordinator.agent_open
        return not self.tls.enabled if told is None else told

    security: SecuritySection = SecuritySection()
    limits: LimitsSection = LimitsSection()


_WHICH_FILE = "-c FILE names another; pilewise config init coordinator writes one with comments"


def read_config(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """The checked configuration; raises `ConfigInvalid` naming every fault with file and line.

    What `environ` says goes before the file.
    """
    return read_file(path, environ or {})[0]


def read_file(path: Path, environ: Mapping[str, str]) -> tuple[Config, dict[str, Any], Lines]:
    """As `read_config`, with what was read: the tables as written, and where each key stands."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigInvalid(
            [Problem("CFG-001", str(path), f"cannot read the file: {why}", hint=_WHICH_FILE)]
        ) from error
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = re.search(r"at line (\d+)", str(error))
        where = f"{path}:{line.group(1)}" if line else str(path)
        raise ConfigInvalid([Problem("CFG-002", where, f"not TOML: {error}")]) from error
    lines = Lines(text)
    problems = [*override(data, Config, lines, environ)]
    problems += [*_check(Config, data, "", path, lines), *_check_meaning(data, path, lines)]
    if problems:
        raise ConfigInvalid(problems)
    return msgspec.convert(data, Config), data, lines


def locate(path: Path, dotted: str) -> str:
    """`file:line` of a key, for faults that show only when the setting is used."""
    try:
        return _where(path, dotted, Lines(path.read_text("utf-8")))
    except OSError:
        return str(path)


def _check(
    struct: type[msgspec.Struct], data: Any, prefix: str, path: Path, lines: dict[str, int]
) -> Iterator[Problem]:
    """Faults of form: unknown keys, wrong types, missing keys; each key is judged alone."""
    if not isinstance(data, dict):
        where = _where(path, prefix.rstrip("."), lines)
        yield Problem("CFG-005", where, f"{prefix.rstrip('.')} must be a table")
        return
    types = get_type_hints(struct, include_extras=True)
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for key in data.keys() - fields.keys():
        close = difflib.get_close_matches(key, fields, n=1)
        known = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(fields))}"
        where = _where(path, prefix + key, lines)
        yield Problem("CFG-003", where, f"unknown key {prefix}{key}", hint=known)
    for name, field in fields.items():
        if name not in data:
            if field.required:
                where = _where(path, prefix.rstrip("."), lines)
                yield Problem("CFG-004", where, f"{prefix}{name} is missing")
            continue
        kind = types[field.name]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from _check(kind, data[name], f"{prefix}{name}.", path, lines)
            continue
        try:
            msgspec.convert(data[name], kind)
        except msgspec.ValidationError as error:
            where = _where(path, prefix + name, lines)
            yield Problem("CFG-005", where, f"{prefix}{name}: {error}")


def _check_meaning(data: dict[str, Any], path: Path, lines: dict[str, int]) -> Iterator[Problem]:
    """Faults of content that a type cannot show, in every key whose type is right."""
    for table, section in data.items():
        for key, value in section.items() if isinstance(section, dict) else ():
            if isinstance(value, float) and not math.isfinite(value):
                where = _where(path, f"{table}.{key}", lines)
                yield Problem("CFG-005", where, f"{table}.{key}: {value} is no number to work with")
    yield from security_faults(data, lambda key: _where(path, key, lines))
    yield from city_faults(data, lambda key: _where(path, key, lines))
    yield from _check_knowledge(data.get("knowledge"), path, lines)
    yield from web_faults(data.get("web"), lambda key: _where(path, f"web.{key}", lines))
    yield from limits_faults(data.get("limits"), lambda key: _where(path, f"limits.{key}", lines))
    yield from ocpi_faults(data.get("ocpi"), lambda key: _where(path, f"ocpi.{key}", lines))
    yield from store_faults(
        data.get("store"), data.get("clock"), lambda key: _where(path, f"store.{key}", lines)
    )
    identity, tls, section = data.get("identity"), data.get("tls"), data.get("coordinator")
    yield from identity_faults(identity, lambda key: _where(path, f"identity.{key}", lines))
    yield from tls_faults(tls, lambda key: _where(path, f"tls.{key}", lines))
    yield from enrolment_faults(
        data.get("enrolment"), tls, lambda key: _where(path, f"enrolment.{key}", lines)
    )
    if not isinstance(section, dict):
        return
    secured = isinstance(tls, dict) and bool(tls.get("cert_file"))
    for name in ("listen", "metrics"):
        address = section.get(name)
        if isinstance(address, str) and (address or name == "listen"):
            where = _where(path, f"coordinator.{name}", lines)
            tls_there = secured and name == "listen"
            yield from address_faults(name, address, where, tls=tls_there)
    if section.get("data_dir") == "":
        where = _where(path, "coordinator.data_dir", lines)
        yield Problem("CFG-005", where, "data_dir is empty", hint='e.g. "data"')


def _check_knowledge(section: Any, path: Path, lines: dict[str, int]) -> Iterator[Problem]:
    """Figures that the knowledge map cannot work with; nothing while a type is wrong."""
    try:
        knowledge = msgspec.convert(section or {}, KnowledgeSection)
    except msgspec.ValidationError:
        return
    for name, wrong in faults_of(knowledge.map_settings()):
        yield Problem("CFG-005", _where(path, f"knowledge.{name}", lines), f"{name}: {wrong}")
    if not knowledge.conditions:
        where = _where(path, "knowledge.conditions", lines)
        yield Problem("CFG-005", where, "conditions is empty", hint='e.g. ["regular", "specific"]')
