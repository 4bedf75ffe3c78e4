"""What an address is made of, for addresses that people and other machines write.

Which ones are acceptable is decided where they are used.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

NOTHING: Final = SplitResult("", "", "", "", "")


def url_parts(text: str) -> SplitResult:
    """The parts of a URL; all empty for a text that is none, its port included.

    >>> url_parts("wss://csms.example:443/ocpp").hostname
    'csms.example'
    >>> url_parts("ws://[::1"), url_parts("ws://host:99999") == NOTHING
    (SplitResult(scheme='', netloc='', path='', query='', fragment=''), True)
    """
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return NOTHING
    return parts
