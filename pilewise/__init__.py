"""What others import: the generated contract and `VehicleClient`, loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilewise.version import __version__

if TYPE_CHECKING:
    from pilewise.client import VehicleClient

__all__ = ["VehicleClient", "__version__"]


def __getattr__(name: str) -> object:
    if name == "VehicleClient":
        from pilewise.client import VehicleClient

        return VehicleClient
    raise AttributeError(f"module 'pilewise' has no attribute {name!r}")
