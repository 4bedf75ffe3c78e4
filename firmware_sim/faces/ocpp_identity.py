"""What a charge point proves itself with: security profile, password, certificates; old and new.

Dialling with it is in `ocpp_line.py`, making and checking certificates in `ocpp_keyring.py`.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from firmware_sim.config_tables import PileConfig
from firmware_sim.core.url import url_parts

if TYPE_CHECKING:
    from firmware_sim.faces.ocpp_keyring import Keyring

# So often something new is tried before what worked last counts again.
TRIES: Final = 3
# What 1.6 and 2.0.1 call the roots that the central system's certificate is checked by.
CENTRAL_ROOTS: Final = ("CentralSystemRootCertificate", "CSMSRootCertificate")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where a charge point dials and what it shows there.

    Profiles of OCPP: 0 shows nothing, 1 a password over ws, 2 a password over wss, 3 a client
    certificate over wss.
    """

    profile: int
    url: str
    password: str | None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    @property
    def identity(self) -> str:
        """The user name: the last part of the address."""
        return unquote(url_parts(self.url).path.strip("/").rpartition("/")[2])

    def headers(self) -> dict[str, str]:
        """The Basic authentication of profiles 1 and 2."""
        if self.password is None or self.profile not in (1, 2):
            return {}
        credentials = base64.b64encode(f"{self.identity}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {credentials}"}


def configured(config: PileConfig) -> Credentials:
    """What the pile's table gives it; the profile follows from it where none is named."""
    table, own = config.table, config.ocpp
    secure = url_parts(table.url).scheme == "wss"
    by_password = (2 if secure else 1) if config.password is not None else 0
    profile: int = 3 if config.cert_file is not None else by_password
    if own.security_profile is not None:
        profile = own.security_profile
    url = own.secure_url or table.url if profile >= 2 else table.url
    return Credentials(
        profile, url, config.password, config.ca_file, config.cert_file, config.key_file
    )


class Identity:
    """The credentials that work, and those that are being tried.

    `on_event` hears of security events by their OCPP name.
    """

    def __init__(self, config: PileConfig) -> None:
        self._config = config
        self._works = configured(config)
        self._tried: Credentials | None = None
        self._left = 0
        self._keyring: Keyring | None = None
        self.on_event: Callable[[str, str], None] = lambda name, info: None

    @property
    def now(self) -> Credentials:
        """What the next connection shows."""
        return self._tried or self._works

    @property
    def keyring(self) -> Keyring:
        """The certificates; made when first needed, because it loads `cryptography`."""
        if self._keyring is None:
            from firmware_sim.faces.ocpp_keyring import Keyring

            self._keyring = Keyring(self._works.identity)
        return self._keyring

    def tls(self) -> ssl.SSLContext | None:
        """How a wss address is trusted and what is shown to it; None for ws."""
        shown = self.now
        if url_parts(shown.url).scheme != "wss":
            return None
        context = ssl.create_default_context(cafile=shown.ca_file)
        if self._keyring is not None:
            for root in self._keyring.roots(CENTRAL_ROOTS):
                context.load_verify_locations(cadata=root)
        if shown.profile == 3 and shown.cert_file is not None:
            context.load_cert_chain(shown.cert_file, shown.key_file)
        return context

    def change_password(self, password: str) -> None:
        """Comes with another password from the next connection on."""
        self._try(replace(self._works, password=password))

    def change_certificate(self, cert_file: str, key_file: str) -> None:
        """Shows another certificate from the next connection on."""
        self._try(replace(self.now, cert_file=cert_file, key_file=key_file))

    def raise_profile(self, profile: int, url: str = "") -> bool:
        """Goes to a higher profile; False where it is not higher or something is missing.

        A root certificate is needed for 2 and 3, an own one for 3, a password for 1 and 2.
        """
        now = self.now
        url = url or (self._config.ocpp.secure_url or now.url if profile >= 2 else now.url)
        trusted = now.ca_file is not None or bool(
            self._keyring and self._keyring.roots(CENTRAL_ROOTS)
        )
        ready = {
            1: now.password is not None,
            2: now.password is not None and trusted,
            3: trusted and now.cert_file is not None,
        }
        if profile <= now.profile or not ready.get(profile, False):
            return False
        if profile >= 2 and url_parts(url).scheme != "wss":
            return False
        self._try(replace(now, profile=profile, url=url))
        return True

    def move_to(self, profile: int, url: str) -> bool:
        """Dials somewhere else from the next connection on, never with a lower profile."""
        if profile > self.now.profile:
            return self.raise_profile(profile, url)
        if profile < self.now.profile:
            return False
        self._try(replace(self.now, url=url))
        return True

    @property
    def is_trying(self) -> bool:
        """Whether something new waits for its first connection."""
        return self._tried is not None

    def held(self) -> None:
        """What was shown is accepted: it is what counts from now on."""
        if self._tried is not None:
            self._works, self._tried = self._tried, None

    def failed(self, reason: str) -> None:
        """A connection failed; after so many tries what worked last counts again."""
        if self._tried is None:
            return
        self._left -= 1
        if self._left <= 0:
            self._tried = None
            self.on_event("FailedToAuthenticateAtCsms", reason)

    def _try(self, credentials: Credentials) -> None:
        self._tried, self._left = credentials, TRIES
