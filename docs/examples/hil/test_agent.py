"""The edge agent tells its coordinator which fault a pile has."""

import pytest


@pytest.mark.requirement("HIL-002")
@pytest.mark.pile(model="bender-cc613")
@pytest.mark.max_detection(fault="MREC2GroundFailure", within_s=5, status="OUTOFORDER")
def test_fault_is_reported_upstream(pile, agent_under_test, detection):
    """Out of order within five seconds at whoever the agent reports to, with the fault's name."""
    pile.plug_in()
    agent_under_test.expect(pile, status="CHARGING", within_s=20)

    detection.check(pile, by=agent_under_test)

    assert agent_under_test.latest(pile).faults == ("GroundFailure",)
