"""What speaks for a profile and what against it, over the golden registers of every model."""

from __future__ import annotations

import pytest
from golden_device import Place, golden_vector, placed

from edge_agent.core.probe import Fit, weigh
from edge_agent.core.profile import Profile
from edge_agent.core.registers import NOT_READ
from edge_agent.piles.modbus_survey import planned
from edge_agent.profiles import load_profile, profile_names

MODELS = [name for name in profile_names() if load_profile(name).is_modbus]


def answered(profile: Profile, words: dict[Place, int]) -> dict[Place, int]:
    """What a device with these words answers to the profile's reads; it refuses all others."""
    found: dict[Place, int] = {}
    for block in planned(profile):
        places = [
            (block.device, block.function, block.address + offset) for offset in range(block.count)
        ]
        if any(place in words for place in places):
            found.update((place, words.get(place, 0)) for place in places)
    return found


def weighed(name: str, words: dict[Place, int]) -> Fit:
    profile = load_profile(name)
    return weigh(profile, answered(profile, words))


@pytest.mark.parametrize("name", MODELS)
def test_each_model_is_told_from_all_others(name: str) -> None:
    """Of the models that speak the same transport none fits a device better than its own."""
    words = placed(golden_vector(name))
    transport = load_profile(name).transport
    rivals = [n for n in MODELS if n != name and transport in load_profile(n).transports]

    own = weighed(name, words)

    assert own.score > 0
    assert not own.swapped
    assert all(weighed(rival, words).score < own.score for rival in rivals)


def test_identity_weighs_more_than_states() -> None:
    """A product number of another maker speaks louder against a profile than its states for it."""
    words = placed(golden_vector("keba-p30-p40"))
    words[0, 3, 1016], words[0, 3, 1017] = 0x0009, 0x0001

    fit = weighed("keba-p30-p40", words)

    assert fit.score < weighed("keba-p30-p40", placed(golden_vector("keba-p30-p40"))).score - 15
    assert any("product is" in reason for reason in fit.reasons)


def test_a_state_that_cannot_be_read_ends_it() -> None:
    """Without its state register a device is not of the model, whatever else it shows."""
    words = placed(golden_vector("abb-terra-ac"))
    everything = answered(load_profile("abb-terra-ac"), words)
    everything[0, 3, 0x400C] = NOT_READ

    fit = weigh(load_profile("abb-terra-ac"), everything)

    assert not fit.fits(named=True)
    assert fit.reasons == ("the state cannot be read",)


def test_voltages_off_the_grid_speak_against() -> None:
    """110 V on three phases is no European grid, and no swapped word order either."""
    words = placed(golden_vector("abb-terra-ac"))
    for register in (0x4017, 0x4019, 0x401B):
        words[0, 3, register] = 1100

    fit = weighed("abb-terra-ac", words)

    assert fit.score < 0
    assert not fit.swapped
    assert "-4 voltage_l1 = 110" in fit.reasons
