"""What a pile calls its maker and model to a central system; it goes with its register map."""

from __future__ import annotations

from typing import Final

_NAMES: Final = {
    "abb-terra-ac": ("ABB", "Terra AC"),
    "alpitronic-hypercharger": ("alpitronic", "Hypercharger"),
    "bender-cc613": ("Bender", "CC613"),
    "keba-p30": ("KEBA", "P30"),
    "phoenix-ev-cc": ("Phoenix Contact", "EV-CC"),
    "generic": ("Pilewise", "Simulated"),
}


def maker_of(model: str) -> tuple[str, str]:
    """Maker and model as the boot names them, at most 20 characters each.

    >>> maker_of("keba-p30")
    ('KEBA', 'P30')
    """
    return _NAMES.get(model, ("Pilewise", model[:20]))
