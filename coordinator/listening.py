"""The addresses at which a coordinator is served, and with which certificates.

What is served there is put together in `app.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from coordinator.config import Config, locate
from coordinator.errors import AddressRefused, ConfigInvalid, Problem
from coordinator.rpc.server import RpcServer


def bind(config: Config, path: Path, server: RpcServer) -> dict[str, str]:
    """Where cars and operators (`grpc`) and agents with certificates (`agents`) are served.

    Raises `ConfigInvalid` for an address or a file that cannot be used.
    """
    listen, tls = config.coordinator.listen, config.tls
    public = agents = None
    if tls.enabled:
        # Imported late, because only this needs it.
        from coordinator.trust.server_files import ServerFiles, server_credentials

        trusted = Path(tls.client_ca_file) if tls.client_ca_file else None
        files = ServerFiles(Path(tls.cert_file), Path(tls.key_file or tls.cert_file), trusted)
        if fault := files.fault():
            where = locate(path, "tls.cert_file")
            raise ConfigInvalid([Problem("CFG-013", where, fault, hint="see docs/trust.md")])
        public = server_credentials(files, mutual=False)
        agents = server_credentials(files, mutual=True) if tls.agents_listen else None
    with blaming(path, "coordinator.listen"):
        bound = {"grpc": _at(listen, server.bind(listen, public))}
    if agents is not None:
        with blaming(path, "tls.agents_listen"):
            bound["agents"] = _at(tls.agents_listen, server.bind(tls.agents_listen, agents))
    return bound


def _at(asked: str, port: int) -> str:
    return f"{asked.rpartition(':')[0]}:{port}"


@contextlib.contextmanager
def blaming(path: Path, key: str) -> Iterator[None]:
    """Turns an address that cannot be listened at into a fault of the configuration file."""
    try:
        yield
    except AddressRefused as error:
        hint = "choose another port, or 0 for any free one"
        raise ConfigInvalid(
            [Problem("CFG-011", locate(path, key), str(error), hint=hint)]
        ) from error
