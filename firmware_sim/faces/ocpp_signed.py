"""Signs what a meter shows, in OCMF, as calibrated piles do at begin and end of a transaction.

Loaded only where a pile is set up with a signed meter, because it needs `cryptography`.
Source: OCMF 1.0 (Software Alliance for E-mobility), sections "readings" and "signature".
"""

from __future__ import annotations

import base64
import json
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

METHOD: Final = "ECDSA-secp256r1-SHA256"
_KIND: Final = {"Transaction.Begin": "B", "Transaction.End": "E"}


class MeterSeal:
    """One meter's key; the readings that it signed are counted."""

    def __init__(self, serial: str) -> None:
        self._serial = serial
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._count = 0

    @property
    def public_key(self) -> str:
        """The key that checks the signatures, DER in base64."""
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(der).decode()

    def signed(self, energy_wh: float, at: str, context: str) -> str:
        """One reading of the energy register in OCMF."""
        self._count += 1
        reading = {
            "TM": f"{at.removesuffix('Z').replace('.', ',')}+0000 S",
            "TX": _KIND.get(context, "C"),
            "RV": round(energy_wh / 1000, 3),
            "RI": "1-b:1.8.0",
            "RU": "kWh",
            "ST": "G",
        }
        body = {"FV": "1.0", "GI": "Pilewise", "GS": self._serial, "PG": f"T{self._count}",
                "IS": False, "RD": [reading]}  # fmt: skip
        text = json.dumps(body, separators=(",", ":"))
        seal = self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256()))
        signature = json.dumps({"SA": METHOD, "SD": seal.hex()}, separators=(",", ":"))
        return f"OCMF|{text}|{signature}"
