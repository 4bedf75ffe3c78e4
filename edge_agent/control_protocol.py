"""How a command on this machine speaks to the running agent: JSON lines over a unix socket.

    {"command": "status"}                        -> one line: how the agent fares
    {"command": "flush", "wait_s": 60}           -> one line: whether the spool was emptied, or why
                                                    not
    {"command": "tail", "count": 20, "follow": true, "pile": "A-01"}
                                                 -> a line for each record, until hung up

Every answer has `ok`; where it is false, `why` says so. The socket is `control.sock` in the data
folder, mode 0600: whoever may write there may ask.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

NAME: Final = "control.sock"
MAX_REQUEST_BYTES: Final = 4096
# What a unix socket's address may hold on Linux.
_MAX_ADDRESS_BYTES: Final = 107


@contextmanager
def address_of(folder: Path) -> Iterator[str]:
    """An address of the socket in a folder, whatever the length of its path, while inside.

    Raises OSError where the folder cannot be opened.
    """
    plain = str(folder / NAME)
    if len(os.fsencode(plain)) <= _MAX_ADDRESS_BYTES:
        yield plain
        return
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{NAME}"
    finally:
        os.close(handle)
