"""The section `[web]`: where the operator's page is served, and whose tokens allow more.

Other sections are in `config.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from coordinator.addresses import address_faults
from coordinator.errors import Problem
from coordinator.token_file import TokenFileWrong, read_tokens


class WebSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The operator's page; without an address there is none."""

    # host:port, loopback only; empty means that no page is served.
    listen: str = ""
    # Lines of `name token`; who shows one may do more than read. Empty: nobody may.
    token_file: str = ""


def web_faults(section: Any, where: Callable[[str], str]) -> Iterator[Problem]:
    """Everything in the section that its types cannot show; `where` gives file and line of a key.

    A value of the wrong type is told elsewhere.
    """
    if not isinstance(section, dict):
        return
    listen, token_file = section.get("listen"), section.get("token_file")
    if isinstance(listen, str) and listen:
        yield from address_faults("listen", listen, where("listen"))
    if isinstance(token_file, str) and token_file:
        try:
            read_tokens(Path(token_file))
        except TokenFileWrong as error:
            text = f"token_file: {error}"
            yield Problem("CFG-005", where("token_file"), text, hint=error.hint)
        if listen == "" or listen is None:
            text = "token_file: there is no page that tokens could be shown to"
            yield Problem(
                "CFG-005", where("token_file"), text, hint='set listen = "127.0.0.1:8080"'
            )
