"""Names of pile models: the simulator's and those of the agent's profiles, where they differ.

One name on the command line means the same pile, simulated or real.
"""

from __future__ import annotations

_PROFILES = {
    "keba-p30": "keba-p30-p40",
    "keba-p40": "keba-p30-p40",
    "phoenix-ev-cc": "phoenix-ev-cc-ac1",
}


def profile_of(name: str) -> str:
    """The agent's profile of a model, whichever of the two names is given.

    >>> profile_of("keba-p40"), profile_of("keba-p30-p40"), profile_of("abb-terra-ac")
    ('keba-p30-p40', 'keba-p30-p40', 'abb-terra-ac')
    """
    return _PROFILES.get(name, name)


def model_of(name: str) -> str:
    """The simulator's model for a profile; its first where there are several.

    >>> model_of("keba-p30-p40"), model_of("keba-p40"), model_of("abb-terra-ac")
    ('keba-p30', 'keba-p40', 'abb-terra-ac')
    """
    return next((model for model, profile in _PROFILES.items() if profile == name), name)
