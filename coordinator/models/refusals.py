"""Refusals that only this folder raises: nobody vouches for a bundle, or a key is of no use."""

from __future__ import annotations

from coordinator.errors import BundleRefused, Permanent


class BundleUntrusted(BundleRefused):
    """A model bundle was changed, is not signed by a trusted key, or reaches outside of itself."""

    code = "MODEL-002"


class KeyUnusable(Permanent):
    """A key file is missing, is no Ed25519 key, or can be read by others."""

    code = "MODEL-003"

    def __init__(self, file: str, why: str, hint: str) -> None:
        super().__init__(f"{file}: {why}")
        self.file = file
        self.why = why
        self.hint = hint
