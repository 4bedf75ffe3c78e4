"""What knows people, built from the other parts: whose tokens are taken, and who is forgotten.

Called by `parts.py` alone.
"""

from __future__ import annotations

from coordinator.bearers import Bearers
from coordinator.brain import Brain
from coordinator.clock import Clock
from coordinator.config import Config
from coordinator.core.district import District
from coordinator.jobs.tastes import TasteKeeper
from coordinator.store.sqlite import SqliteTelemetry
from coordinator.usecases.events import Events
from coordinator.usecases.privacy import Privacy
from coordinator.usecases.sessions import SessionBook


def make_bearers(config: Config, clock: Clock) -> Bearers | None:
    """Whose tokens are taken; None where nobody is asked for one."""
    identity = config.identity
    return Bearers(identity, clock.system_s, clock.link_s) if identity.configured else None


def make_privacy(
    district: District,
    book: SessionBook,
    brain: Brain,
    events: Events,
    store: SqliteTelemetry,
    tastes: TasteKeeper,
) -> Privacy:
    """What exports people, and forgets them."""
    return Privacy(
        district,
        book,
        brain.promises,
        brain.guidance,
        brain.intentions,
        events,
        brain.claims,
        store,
        brain.recommender.moment,
        tastes.stale,
    )
