"""What a running coordinator is made of, built once and passed down; nothing runs yet.

A new part is a field here, made in `build_parts`; servicers that use it are added in `app.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from coordinator.agent_parts import make_enroller, make_register
from coordinator.bearers import Bearers
from coordinator.brain import Brain, build_brain
from coordinator.clock import Clock
from coordinator.config import Config, KnowledgeSection, ModelsSection
from coordinator.core.district import District
from coordinator.core.history import History
from coordinator.core.pile import Station
from coordinator.importers.ocpi_out import party_of
from coordinator.importers.outgoing import Outgoing
from coordinator.jobs.certificates import CertificateWatch
from coordinator.jobs.disk_watch import tell_damage
from coordinator.jobs.knowledge import Condition, Knowledge, Updating
from coordinator.jobs.tastes import TasteKeeper
from coordinator.ledger_parts import open_claims
from coordinator.models.kept import KeptBundles
from coordinator.models.serving import Serving
from coordinator.models.shadow import Shadow
from coordinator.models.signature import Trust
from coordinator.models.switch import ModelSwitch
from coordinator.people_parts import make_bearers, make_privacy
from coordinator.rpc.batch_codec import WireCodec
from coordinator.rpc.charging import ChargingServicer
from coordinator.store.backup import write_backup
from coordinator.store.database import DirectoryLock
from coordinator.store.full_disk import FullDisk
from coordinator.store.lost_journal import state_of_files
from coordinator.store.restore import Restored, forget_restored
from coordinator.store.salvage import salvage_all
from coordinator.store.sqlite import SqliteTelemetry
from coordinator.usecases.agent_register import AgentRegister, Around
from coordinator.usecases.counters import Counters
from coordinator.usecases.district_view import DistrictView
from coordinator.usecases.enrolling import Enroller
from coordinator.usecases.events import Events
from coordinator.usecases.fences import FENCE_BEHIND, FenceBehind, Fences
from coordinator.usecases.foreign_watch import ForeignWatch
from coordinator.usecases.indexes_now import Happened
from coordinator.usecases.ingest import Ingest
from coordinator.usecases.inventory import Inventory, in_service
from coordinator.usecases.learning import Learner
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.links import AgentLinks
from coordinator.usecases.lists import Lists
from coordinator.usecases.pile_keeper import PileKeeper
from coordinator.usecases.privacy import Privacy
from coordinator.usecases.sessions import SessionBook
from coordinator.usecases.telemetry import Snapshot, TelemetryStore

log = structlog.get_logger()


@dataclass(slots=True)
class Parts:
    """Everything that servicers and loops share."""

    config: Config
    clock: Clock
    data_dir: Path
    lock: DirectoryLock
    disk: FullDisk
    store: TelemetryStore
    district: District
    history: History
    book: SessionBook
    events: Events
    counters: Counters
    inventory: Inventory
    pile_keeper: PileKeeper
    lists: Lists
    links: AgentLinks
    register: AgentRegister
    enroller: Enroller | None
    fences: Fences
    ingest: Ingest
    view: DistrictView
    switch: ModelSwitch
    shadow: Shadow
    brain: Brain
    knowledge: Knowledge
    tastes: TasteKeeper
    people: SqliteTelemetry  # the store, for whom it knows people
    privacy: Privacy
    bearers: Bearers | None  # None: nobody is asked for a token
    charging: ChargingServicer | None = None  # once it is served
    certificates: CertificateWatch | None = None  # where there are any
    # Called when the process goes down, before the server stops: to end long streams.
    on_stop: list[Callable[[], None]] = field(default_factory=list)

    @property
    def models(self) -> Serving:
        """What serves now."""
        return self.switch.serving

    def backup(self, place: Path, at_s: float, cancelled: threading.Event) -> Path:
        """Copies the data directory to a file or folder; blocks. Raises `BackupFailed`."""
        district = self.config.coordinator.district
        return write_backup(self.data_dir, district, place, at_s, cancelled)

    @property
    def happened(self) -> Happened:
        """What tells what happened in a window."""
        return Happened(self.district, self.book, self.store, self.brain.promises.newest)

    @property
    def outgoing(self) -> Outgoing:
        """What writes files for others."""
        return Outgoing(
            self.inventory, self.view, self.store, self.book, self.clock,
            party_of(self.config.ocpi), self.config.coordinator.district, self.brain.promises,
        )  # fmt: skip


def build_parts(config: Config) -> Parts:
    """All parts, with what the stores remember; raises `DirectoryBusy` and store errors."""
    settings = config.coordinator
    clock = Clock(config.clock.epoch_at_ms, config.clock.anchor_s, config.clock.speed)
    data_dir = Path(settings.data_dir)
    lock = DirectoryLock(data_dir)
    mark, lost = state_of_files(data_dir, lock, settings.district)
    damaged, disk = salvage_all(data_dir), FullDisk(data_dir)
    store = SqliteTelemetry(data_dir, disk.give_up_history)
    known = store.load()
    district, history = District(_in_service(known)), History()
    events, counters = Events(clock.now_s, clock.system_s), Counters()
    tell_damage(damaged, lost, events)
    inventory = Inventory(
        district, store, events, clock.now_s, agent_open=config.agent_open, owners=known.owners,
        retired=known.retired,
    )  # fmt: skip
    pile_keeper = PileKeeper(inventory, store, events, clock.now_s)
    # Before the batches: an outage that was planned teaches no failure.
    lists = Lists(district, store, known.tariffs, known.users, known.roads, known.outages)
    book = SessionBook(district, store, known.sessions, known.visits)
    ingest = _ingest(inventory, history, store, clock, events, counters, book, known)
    switch = _switch(config.models, data_dir, clock, events, counters)
    claims = open_claims(config, clock, data_dir, store, known, disk.keep_promises)
    brain = build_brain(
        district, switch.serving, clock, events, counters, claims, settings.stale_after_s, book,
        store, known,
    )  # fmt: skip
    lock.note_files(are_open=True)
    knowledge = _knowledge(config.knowledge, district, switch, clock, known, store, ingest)
    _listen(ingest, pile_keeper, lists, knowledge, brain)
    links = AgentLinks(inventory.speaker_of)
    register = make_register(config, store, known, Around(links, events, counters, clock.system_s))
    switch.on_switch.append(brain.serve_models)
    tastes = _tastes(district, book, brain, switch)
    return Parts(
        config=config, clock=clock, data_dir=data_dir, lock=lock, disk=disk, store=store,
        district=district, history=history, book=book, events=events, counters=counters,
        inventory=inventory, pile_keeper=pile_keeper, lists=lists, links=links, register=register,
        enroller=make_enroller(config, register, clock),
        fences=_fences(brain.claims, inventory, mark, data_dir, events, counters),
        ingest=ingest,
        view=DistrictView(inventory, clock, settings.stale_after_s),
        switch=switch,
        shadow=_shadow(switch, data_dir, clock),
        brain=brain, knowledge=knowledge, tastes=tastes, people=store,
        privacy=make_privacy(district, book, brain, events, store, tastes),
        bearers=make_bearers(config, clock),
        on_stop=[events.close],
    )  # fmt: skip


def _fences(
    claims: ClaimStore,
    inventory: Inventory,
    mark: Restored | None,
    data_dir: Path,
    events: Events,
    counters: Counters,
) -> Fences:
    """The fences; while they are behind, nothing is granted."""
    known = frozenset(inventory.district.evse_ids)
    fences = Fences(claims, mark.behind if mark else "", lambda: len(inventory.agents()), known)
    fences.forget = lambda: forget_restored(data_dir)

    def pause(why: str) -> None:
        claims.paused = FENCE_BEHIND
        events.add("STORE", f"nothing is granted: {why}; {FenceBehind.hint}")

    def resume() -> None:
        claims.paused = ""
        events.add("STORE", "fences advanced")

    fences.on_behind.append(pause)
    fences.on_advanced.append(resume)
    if fences.behind:
        pause(fences.behind)
        log.error("fences are behind", why=fences.behind, hint=FenceBehind.hint)
    counters.gauge("fences_behind", lambda: int(bool(fences.behind)))
    return fences


def _switch(
    section: ModelsSection, data_dir: Path, clock: Clock, events: Events, counters: Counters
) -> ModelSwitch:
    """Which bundle serves, remembered in the data directory; started."""
    trust = Trust(section.trusted_keys, section.allow_unsigned)
    kept = KeptBundles(data_dir / "models")
    switch = ModelSwitch(kept, trust, events, counters, clock.system_s)
    switch.start(section.bundle)
    return switch


def _shadow(switch: ModelSwitch, data_dir: Path, clock: Clock) -> Shadow:
    """What compares a second bundle with the one that serves."""
    shadow = Shadow(data_dir / "models" / "shadow.json", clock.system_s)
    shadow.follow(switch.serving.bundle, switch.shadow)
    switch.on_switch.append(lambda serving: shadow.follow(serving.bundle, switch.shadow))
    switch.on_shadow.append(lambda bundle: shadow.follow(switch.serving.bundle, bundle))
    return shadow


def _listen(
    ingest: Ingest, pile_keeper: PileKeeper, lists: Lists, knowledge: Knowledge, brain: Brain
) -> None:
    """Says who hears of what. The map first: who is sent elsewhere is ranked by what it learnt."""
    lists.hear_roads(brain.roads.on_roads)
    lists.on_outages.append(brain.watchman.on_outages)
    for changing in (ingest, pile_keeper):
        changing.on_changes.extend((knowledge.observe, brain.watchman.on_changes))
    ingest.on_surroundings.append(brain.surroundings.on_rows)


def _in_service(known: Snapshot) -> list[Station]:
    """The stations without their scrapped piles, even if the last process died scrapping one."""
    retired = {pile.pile_id for pile in known.retired}
    return [in_service(station, retired) for station in known.stations]


def _ingest(
    inventory: Inventory,
    history: History,
    store: TelemetryStore,
    clock: Clock,
    events: Events,
    counters: Counters,
    book: SessionBook,
    known: Snapshot,
) -> Ingest:
    """The way of readings in, with the picture restored."""
    codec = WireCodec()
    learner = Learner(inventory, history, codec, clock, events, book)
    learner.start(known)
    ingest = Ingest(inventory, learner, codec, store, clock, events, counters, known.spools)
    ingest.on_refused.append(ForeignWatch(events, counters, clock.link_s).see)
    return ingest


def _knowledge(
    section: KnowledgeSection,
    district: District,
    switch: ModelSwitch,
    clock: Clock,
    known: Snapshot,
    store: TelemetryStore,
    ingest: Ingest,
) -> Knowledge:
    """The keeper of the knowledge map; what an operator changed goes before the configuration."""
    conditions = frozenset(Condition(word) for word in section.conditions)
    knowledge = Knowledge(
        district,
        switch.serving.failure,
        clock.now_s,
        settings=section.map_settings(),
        updating=Updating(conditions, section.period_s, section.same_type),
        state=known.knowledge,
        speed=clock.speed,
        keep=store.put_knowledge,
    )
    switch.on_switch.append(lambda serving: knowledge.use(serving.failure))
    if Condition.REAL_TIME in conditions:
        ingest.on_heard.append(knowledge.hear)
    return knowledge


def _tastes(
    district: District, book: SessionBook, brain: Brain, switch: ModelSwitch
) -> TasteKeeper:
    """The keeper of what users alike would choose; hears of every session."""
    keeper = TasteKeeper(district, book.visits, brain.world, encoder=switch.serving.portrait)
    book.on_session.append(keeper.on_session)
    switch.on_switch.append(lambda serving: keeper.use(serving.portrait))
    return keeper
