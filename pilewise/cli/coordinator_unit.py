"""`pilewise coordinator unit`: the systemd unit of a coordinator, with this very Python in it."""

from __future__ import annotations

import sys
from importlib.resources import files

PLACEHOLDER = "/opt/pilewise/bin/python"


def unit() -> None:
    """Prints the systemd unit of the coordinator, with this very Python in it."""
    text = files("coordinator").joinpath("systemd/pilewise-coordinator.service").read_text("utf-8")
    sys.stdout.write(text.replace(PLACEHOLDER, sys.executable))
