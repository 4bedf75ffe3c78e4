"""Fusing a pile, a bay sensor and a queue counter into one status."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.occupancy import (
    BLOCKED_REASON,
    CONFLICT_EMPTY_BAY,
    BayWord,
    Evidence,
    Fused,
    FusionRules,
    PileWord,
    QueueWord,
    fuse,
    heard,
    lost,
)
from edge_agent.core.reading import (
    BayState,
    EvseStatus,
    IecState,
    Reading,
    StatusSource,
    Values,
)

RULES = FusionRules(pile_ttl_s=3.0, bay_ttl_s=30.0, debounce_s=2.0)


def word(
    status: EvseStatus, heard_s: float = 100.0, since_s: float = 0.0, **more: object
) -> PileWord:
    return PileWord(Reading("E", status, StatusSource.OCPP, **more), heard_s, since_s)  # type: ignore[arg-type]


def test_available_with_a_taken_bay_is_blocked() -> None:
    """A car that stands there without charging blocks the EVSE, and the reason says so."""
    evidence = Evidence(word(EvseStatus.AVAILABLE), BayWord(True, 99.0))

    fused = fuse(evidence, None, RULES, 100.5)

    assert (fused.status, fused.source) == (EvseStatus.BLOCKED, StatusSource.FUSED)
    assert (fused.reason, fused.bay) == (BLOCKED_REASON, BayState.OCCUPIED)


def test_E14_charging_beats_an_empty_bay() -> None:
    """Energy that flows is believed over a sensor that sees nothing, and the conflict is named."""
    reading = word(EvseStatus.CHARGING, iec=IecState.C, values=Values(power_kw=7.0))

    fused = fuse(Evidence(reading, BayWord(False, 99.0)), None, RULES, 100.5)

    assert fused.status is EvseStatus.CHARGING
    assert fused.conflict == CONFLICT_EMPTY_BAY


def test_E12_stale_sensor_blocks_nothing_and_is_said_to_be_stale() -> None:
    """After its time to live a bay sensor blocks nothing any more, and shows as STALE."""
    evidence = Evidence(word(EvseStatus.AVAILABLE, 130.0), BayWord(True, 100.0))

    fresh = fuse(evidence, None, RULES, 129.9)
    stale = fuse(evidence, None, RULES, 130.0)

    assert fresh.status is EvseStatus.BLOCKED
    assert (stale.status, stale.bay) == (EvseStatus.AVAILABLE, BayState.STALE)


def test_queue_counter_travels_and_ages() -> None:
    """The queue length is told while it is fresh, and absent afterwards."""
    evidence = Evidence(word(EvseStatus.CHARGING, 130.0), queue=QueueWord(2, 100.0))

    assert fuse(evidence, None, RULES, 129.0).queue_length == 2
    assert fuse(evidence, None, RULES, 130.5).queue_length is None


def test_flash_of_available_is_carried_over() -> None:
    """Available counts two seconds after it was first said; until then the old status stays."""
    charging = Fused(EvseStatus.CHARGING, StatusSource.OCPP)
    evidence = Evidence(word(EvseStatus.AVAILABLE, 101.0, 100.0))

    flash = fuse(evidence, charging, RULES, 101.9)
    settled = fuse(evidence, flash, RULES, 102.0)

    assert (flash.status, flash.carried_over) == (EvseStatus.CHARGING, True)
    assert flash.revisit_s == 102.0
    assert (settled.status, settled.carried_over) == (EvseStatus.AVAILABLE, False)


def test_flash_of_available_beside_a_taken_bay_is_not_blocked() -> None:
    """At the end of a charge the car still stands there: it blocks only when the flash lasts."""
    charging = Fused(EvseStatus.CHARGING, StatusSource.OCPP)
    evidence = Evidence(word(EvseStatus.AVAILABLE, 101.0, 100.0), BayWord(True, 101.0))

    flash = fuse(evidence, charging, RULES, 101.9)
    settled = fuse(evidence, flash, RULES, 102.0)

    assert (flash.status, flash.carried_over) == (EvseStatus.CHARGING, True)
    assert (settled.status, settled.reason) == (EvseStatus.BLOCKED, BLOCKED_REASON)


def test_first_word_ever_is_not_debounced() -> None:
    """A pile that was never told about before is free at once when it says so."""
    evidence = heard(Evidence(), Reading("E", EvseStatus.AVAILABLE, StatusSource.MODBUS), 5.0)

    assert fuse(evidence, None, RULES, 5.0).status is EvseStatus.AVAILABLE


def test_emptied_bay_frees_a_steady_pile_at_once() -> None:
    """When the blocking car leaves, nothing is waited for: the pile has long said Available."""
    blocked = Fused(EvseStatus.BLOCKED, StatusSource.FUSED, BLOCKED_REASON)
    evidence = Evidence(word(EvseStatus.AVAILABLE, 100.0, 10.0), BayWord(False, 100.0))

    assert fuse(evidence, blocked, RULES, 100.1).status is EvseStatus.AVAILABLE


def test_silence_is_unknown_with_its_reason() -> None:
    """Three missed intervals make a pile UNKNOWN, said to be so by time-out, with its age."""
    evidence = Evidence(word(EvseStatus.AVAILABLE, 100.0), silence="TIMEOUT")

    fused = fuse(evidence, None, RULES, 103.0)

    assert (fused.status, fused.source) == (EvseStatus.UNKNOWN, StatusSource.TIMEOUT)
    assert (fused.reason, fused.pile_age_s) == ("TIMEOUT", 3.0)


def test_lost_pile_is_unknown_at_once() -> None:
    """A connection that is surely gone is not waited for."""
    evidence = lost(Evidence(word(EvseStatus.CHARGING, 100.0)), "OFFLINE")

    assert fuse(evidence, None, RULES, 100.1).reason == "OFFLINE"


statuses = st.sampled_from(list(EvseStatus))
ages = st.floats(0.0, 60.0)
pile_words = st.none() | st.builds(
    lambda status, age, since, gone: PileWord(
        Reading("E", status, StatusSource.OCPP), 100.0 - age, 100.0 - age - since, gone
    ),
    statuses,
    ages,
    ages,
    st.sampled_from(["", "OFFLINE"]),
)
bay_words = st.none() | st.builds(
    lambda taken, age: BayWord(taken, 100.0 - age), st.booleans(), ages
)
befores = st.none() | st.builds(lambda status: Fused(status, StatusSource.OCPP), statuses)


@given(pile_words, bay_words, befores)
def test_offline_is_never_available(
    pile: PileWord | None, bay: BayWord | None, before: Fused | None
) -> None:
    """Whatever the sensors and the past say, AVAILABLE needs a fresh pile that says so."""
    fused = fuse(Evidence(pile, bay), before, RULES, 100.0)

    fresh = pile is not None and not pile.lost and 100.0 - pile.heard_s < RULES.pile_ttl_s
    if not fresh:
        assert fused.status is EvseStatus.UNKNOWN
        assert fused.reason
    if fused.status is EvseStatus.AVAILABLE:
        assert pile is not None
        assert pile.reading.status is EvseStatus.AVAILABLE
        assert not (bay is not None and bay.taken and 100.0 - bay.heard_s < RULES.bay_ttl_s)


@given(pile_words, bay_words, befores)
def test_nothing_changes_before_the_revisit(
    pile: PileWord | None, bay: BayWord | None, before: Fused | None
) -> None:
    """Until the announced instant time alone does not change the answer."""
    fused = fuse(Evidence(pile, bay), before, RULES, 100.0)
    last_s = 200.0 if fused.revisit_s is None else (100.0 + fused.revisit_s) / 2

    later = fuse(Evidence(pile, bay), fused, RULES, last_s)

    assert (later.status, later.bay, later.reason) == (fused.status, fused.bay, fused.reason)
