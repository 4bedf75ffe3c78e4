"""What is believed after the coordinator's clock was set back."""

from __future__ import annotations

from hand_brain import HandBrain
from served_brain import station


async def test_T3_a_clock_set_back_does_not_freeze_the_picture() -> None:
    """Stamps of an hour that has not come yet are as of now, so that the next row is newer."""
    hand = HandBrain([station("A", 1.0, 2)])
    await hand.passes(5.0)
    before_s = hand.clock.now_s()

    hand.clock.move(-3_600.0, 0.0)
    await hand.passes(5.0)

    assert hand.district.observed_at_s.max() <= hand.clock.now_s() < before_s
