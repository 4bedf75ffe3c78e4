"""The agent's pure heart: no I/O, no clock, no tasks; `now` and `rng` are arguments."""
