"""Which bundle serves, and how that changes while cars are answered: tried, loaded, then swapped.

Whatever goes wrong, what served before still serves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog
from msgspec.structs import replace

from coordinator.errors import BundleRefused, FieldFault, FieldInvalid, StoreUnavailable
from coordinator.models.bundle import Bundle, load
from coordinator.models.bundle_files import MANIFEST, read_file, sha256
from coordinator.models.kept import SHIPPED, Entry, KeptBundles, State
from coordinator.models.pins import BUNDLED_SHA256
from coordinator.models.refusals import BundleUntrusted
from coordinator.models.serving import BUNDLED, Serving, in_words, serving
from coordinator.models.signature import Trust
from coordinator.models.trial import try_out
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events

log = structlog.get_logger()

CHECK_S = 60.0


class ModelSwitch:
    """The bundle that serves, and the one that scores beside it; used by the event loop only.

    `on_switch` hears of each bundle that comes to serve, `on_shadow` of each that is put beside.
    """

    def __init__(
        self,
        kept: KeptBundles,
        trust: Trust,
        events: Events,
        counters: Counters,
        system_s: Callable[[], float],
    ) -> None:
        self.serving = Serving()
        self.shadow: Bundle | None = None
        self.state = State()
        self.loaded_at_s = 0.0
        self.on_switch: list[Callable[[Serving], None]] = []
        self.on_shadow: list[Callable[[Bundle | None], None]] = []
        self._kept = kept
        self._trust = trust
        self._events = events
        self._counters = counters
        self.now_s = system_s
        self._told_expired = False
        self._one_at_a_time = asyncio.Lock()
        counters.gauge("models_expired", lambda: float(self.expired))
        counters.gauge("model_slow_runs", lambda: self._sum("slow_runs"))
        counters.gauge("model_failed_runs", lambda: self._sum("failures"))

    @property
    def expired(self) -> bool:
        """Whether what serves should have been replaced by now; it still answers.

        By system time: bundles expire by the calendar, however fast a district lives.
        """
        bundle, now = self.serving.bundle, datetime.fromtimestamp(self.now_s(), UTC)
        return bundle is not None and bundle.expired(now)

    def start(self, configured: str) -> Serving:
        """What serves first: the configured bundle; else what served last; else rules, and why.

        A configured bundle that was taken in once does not undo what was activated since. Blocks:
        for the start of a process.
        """
        self.state = self._kept.read()
        problems: list[str] = []
        bundle = self._of_configuration(configured, problems)
        state = self.state
        candidates = [state.active, state.previous, None if configured else SHIPPED]
        for entry in dict.fromkeys(entry for entry in candidates if entry):
            if bundle is None and (bundle := self._last_good(entry, problems)) is not None:
                previous = None if entry == state.previous else state.previous
                self.state = replace(state, active=entry, previous=previous)
        if state.shadow is not None:
            self.shadow = self._last_good(state.shadow, problems)
        served = serving(bundle) if bundle else Serving()
        problems += served.problems
        self._serve(Serving(served.models, served.parts, tuple(problems), bundle))
        return self.serving

    async def activate(self, folder: str) -> None:
        """Serves this bundle from now on; empty: the one that this version came with.

        Raises `BundleRefused` and `StoreUnavailable`; then nothing has changed.
        """
        async with self._one_at_a_time:
            entry, bundle = await self._admitted(folder)
            state = self.state
            if state.active is None or entry.manifest_sha256 != state.active.manifest_sha256:
                before = state.active if self.serving.bundle else None
                await self._write(replace(state, active=entry, previous=before))
            self._serve(serving(bundle))
            self._tell("activated", bundle)

    async def rollback(self) -> None:
        """Serves what served before; what serves now becomes what served before."""
        async with self._one_at_a_time:
            state = self.state
            if state.previous is None:
                raise FieldInvalid(FieldFault("rollback", "nothing served before: activate one"))
            bundle = await asyncio.to_thread(self._load, state.previous)
            await self._write(replace(state, active=state.previous, previous=state.active))
            self._serve(serving(bundle))
            self._tell("rolled back", bundle)

    async def set_shadow(self, folder: str | None) -> None:
        """Scores with this bundle beside the one that serves; None ends that."""
        async with self._one_at_a_time:
            entry, bundle = (None, None) if folder is None else await self._admitted(folder)
            await self._write(replace(self.state, shadow=entry))
            self.shadow = bundle
            for hear in self.on_shadow:
                hear(bundle)

    async def _admitted(self, folder: str) -> tuple[Entry, Bundle]:
        try:
            return await asyncio.to_thread(self._admit, folder)
        except BundleRefused as error:
            self._note(error)
            raise

    async def _write(self, state: State) -> None:
        await asyncio.to_thread(self._kept.write, state)
        self.state = state

    def _of_configuration(self, configured: str, problems: list[str]) -> Bundle | None:
        """The configured bundle, if it was not taken in before; its refusal is a problem."""
        state = self.state
        if not configured:
            if state.configured != Entry():
                self._write_at_start(State(SHIPPED, state.active, state.shadow), problems)
            return None
        try:
            digest = sha256(read_file(Path(configured) / MANIFEST))
            asked = Entry(digest, str(Path(configured).absolute()))
            if asked == state.configured:
                return None
            entry, bundle = self._admit(configured)
        except (BundleRefused, StoreUnavailable) as error:
            self._note(error)
            problems.append(in_words(error))
            return None
        again = state.active is not None and state.active.manifest_sha256 == digest
        before = state.previous if again else state.active
        self._write_at_start(State(entry, before, state.shadow, asked), problems)
        return bundle

    def _write_at_start(self, state: State, problems: list[str]) -> None:
        self.state = state
        try:
            self._kept.write(state)
        except StoreUnavailable as error:
            problems.append(in_words(error))

    def _admit(self, folder: str) -> tuple[Entry, Bundle]:
        """A candidate: tried in a child process, copied, loaded from the copy. Blocks."""
        if not folder:
            return SHIPPED, self._load(SHIPPED)
        entry = self._kept.take_in(Path(folder), try_out(Path(folder), self._trust))
        return entry, self._load(entry)

    def _load(self, entry: Entry) -> Bundle:
        if not entry.manifest_sha256:
            return load(BUNDLED, BUNDLED_SHA256)
        return load(self._kept.folder(entry), entry.manifest_sha256, self._trust)

    def _last_good(self, entry: Entry, problems: list[str]) -> Bundle | None:
        try:
            return self._load(entry)
        except BundleRefused as error:
            self._note(error)
            problems.append(in_words(error))
            return None

    def _serve(self, served: Serving) -> None:
        self.serving = served
        self.loaded_at_s = self.now_s()
        self._told_expired = False
        self._say_if_expired()
        for hear in self.on_switch:
            hear(served)

    async def run(self) -> None:
        """Says once when what serves expires; until cancelled."""
        while True:
            self._say_if_expired()
            await asyncio.sleep(CHECK_S)

    def _say_if_expired(self) -> None:
        bundle = self.serving.bundle
        if bundle is None or self._told_expired or not self.expired:
            return
        self._told_expired = True
        log.warning("models expired", name=bundle.name, hint="train anew; they still answer")
        self._events.add("MODEL", f"{bundle.name} {bundle.version} expired, and still answers")

    def _tell(self, what: str, bundle: Bundle) -> None:
        facts = {"name": bundle.name, "version": bundle.version, "sha256": bundle.manifest_sha256}
        log.info("models", what=what, **facts)
        self._events.add("MODEL", f"{bundle.name} {bundle.version} {what}", facts=facts)

    def _note(self, error: BundleRefused | StoreUnavailable) -> None:
        """A refusal is counted; one that looks like an attack is an event of its own kind."""
        self._counters.add("bundles_refused")
        kind = "SECURITY" if isinstance(error, BundleUntrusted) else "MODEL"
        log.warning("bundle refused", kind=kind, code=error.code, why=str(error))
        self._events.add(kind, f"bundle refused: {error}", facts={"code": error.code})

    def _sum(self, name: str) -> float:
        bundle = self.serving.bundle
        return float(sum(getattr(one, name) for one in bundle.sessions.values())) if bundle else 0.0
