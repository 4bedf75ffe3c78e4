"""A contactor that welds is found out as soon as it is told to open."""

import pytest


@pytest.mark.requirement("HIL-001")
def test_welded_contactor_is_detected_in_time(pile, bench_clock):
    """The pile is Faulted with MREC17 within half a simulated second, and says so in a register."""
    pile.plug_in(soc_pct=40)
    pile.expect(status="Charging", power_kw=lambda kw: kw > 10, within_s=10)
    bench_clock.advance(60)

    pile.set_input("contactor_welded", 1)
    pile.press_emergency_stop()

    pile.expect(fault="EVSEContactorFault", contactor="welded", within_s=0.5)
    assert pile.state.status == "Faulted"
    assert pile.register("error_code").value != 0
