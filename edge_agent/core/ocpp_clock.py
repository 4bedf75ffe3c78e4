"""Which of a charge point's timestamps can be believed, and what stands in for the others.

Stations boot in 1970, mark local time as UTC, or leave the stamp out. Nothing here reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

# Offline stations deliver old messages, but none from before the product.
SANE_FROM_MS: Final = 1_735_689_600_000
# A clock that is this far ahead of ours is wrong: nothing is told before it happens.
AHEAD_MS: Final = 60_000
# A state that is told holds now; its stamp may lag by the way here, not more.
LIVE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Stamp:
    """An instant of domain time; `sane` is False where the station's own was not used."""

    at_ms: int
    sane: bool = True


@dataclass(frozen=True, slots=True)
class StationClock:
    """What is known of a station's clock: how far it runs ahead, 0 where it was never caught."""

    ahead_ms: int = 0

    def heard(self, text: str | None, now_ms: int) -> StationClock:
        """The clock after a live message. Only the future proves an error: old may mean queued.

        >>> StationClock().heard("2026-01-01T02:00:00Z", 1_767_225_600_000)
        StationClock(ahead_ms=7200000)
        >>> StationClock(7_200_000).heard("2026-01-01T00:00:05Z", 1_767_225_600_000)
        StationClock(ahead_ms=0)
        """
        at_ms = parse_ms(text)
        if at_ms is None or at_ms < SANE_FROM_MS:
            return self
        ahead_ms = at_ms - now_ms
        if ahead_ms > AHEAD_MS:
            return self if ahead_ms == self.ahead_ms else StationClock(ahead_ms)
        near = ahead_ms >= -LIVE_MS
        return StationClock() if near and self.ahead_ms else self

    def told(self, text: str | None, now_ms: int) -> Stamp:
        """When something happened that may be old news, such as a queued transaction message.

        A missing stamp is now. An unreadable one, one from 1970 or from the future is now and not
        sane. Stamps of a clock that was caught running ahead are set back, and not sane.

        >>> StationClock().told("2026-01-01T00:00:00+02", 1_800_000_000_000)
        Stamp(at_ms=1767218400000, sane=True)
        >>> StationClock().told("1970-01-01T00:00:05Z", 1_800_000_000_000)
        Stamp(at_ms=1800000000000, sane=False)
        >>> StationClock(7_200_000).told("2026-01-01T02:00:00Z", 1_800_000_000_000)
        Stamp(at_ms=1767225600000, sane=False)
        """
        if not text:
            return Stamp(now_ms)
        at_ms = parse_ms(text)
        if at_ms is None:
            return Stamp(now_ms, sane=False)
        true_ms = at_ms - self.ahead_ms
        if not SANE_FROM_MS <= true_ms <= now_ms + AHEAD_MS:
            return Stamp(now_ms, sane=False)
        return Stamp(min(true_ms, now_ms), sane=self.ahead_ms == 0)

    def present(self, text: str | None, now_ms: int) -> Stamp:
        """When a state was told that holds now: its stamp where it is fresh, else now.

        >>> StationClock().present("2025-06-01T00:00:00Z", 1_800_000_000_000)
        Stamp(at_ms=1800000000000, sane=False)
        """
        stamp = self.told(text, now_ms)
        if now_ms - stamp.at_ms > LIVE_MS:
            return Stamp(now_ms, sane=False)
        return stamp


def parse_ms(text: str | None) -> int | None:
    """Milliseconds since 1970 of an ISO 8601 stamp; without a zone it is UTC; None if unreadable.

    >>> parse_ms("2026-01-01T00:00:00"), parse_ms("yesterday")
    (1767225600000, None)
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000.0)
    except (ValueError, OverflowError):
        return None


def iso(at_ms: float) -> str:
    """A domain instant as OCPP writes it.

    >>> iso(1_767_225_600_000)
    '2026-01-01T00:00:00.000Z'
    """
    moment = datetime.fromtimestamp(at_ms / 1000.0, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
