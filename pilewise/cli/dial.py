"""How commands reach a coordinator: `--token-file` and `--ca` on every command that dials one.

What is asked there stands with the commands.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilewise.cli.output import Exit, fail

if TYPE_CHECKING:
    import grpc

    from pilewise.dialling import TokenSource

# Commands that dial, and find the address in a configuration.
_BY_CONFIG = frozenset({"import", "export", "retire", "backup"})

_token_file: Path | None = None
_ca_file: Path | None = None


def token() -> TokenSource:
    """Where the token of this run comes from; empty means none."""
    from pilewise.dialling import token_file

    return token_file(_token_file) if _token_file else ""


def ca_file() -> Path | None:
    """The authority of the coordinator's certificate; None means no TLS."""
    return _ca_file


def channel(target: str) -> grpc.aio.Channel:
    """A channel to a coordinator, as the options of this run say."""
    from pilewise.dialling import open_channel

    return open_channel(target, ca_file=_ca_file, token=token())


def equip(command: Any) -> None:
    """Gives the options to every command below that dials a coordinator."""
    dials = any(one.name == "target" for one in command.params) or command.name in _BY_CONFIG
    if dials and not hasattr(command, "commands"):
        # Parameters that typer itself made fit whichever click it brings along.
        command.params += [one for one in _made().params if one.name in ("token_file", "ca")]
    for inner in getattr(command, "commands", {}).values():
        equip(inner)


def _made() -> Any:
    bearer = typer.Typer(add_completion=False)
    bearer.command()(_options)
    return typer.main.get_command(bearer)


def _readable(path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        hint = "name a file that you may read"
        fail("CMD-108", f"no file {path}", hint=hint, exit_code=Exit.USAGE)
    return path


def _use_token(path: Path | None) -> None:
    global _token_file
    _token_file = _readable(path)


def _use_ca(path: Path | None) -> None:
    global _ca_file
    _ca_file = _readable(path)


def _options(
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", help="File with the token to show.", callback=_use_token,
            expose_value=False, envvar="PILEWISE_TOKEN_FILE",
        ),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(
            "--ca", help="PEM of the coordinator's authority; dials with TLS.", callback=_use_ca,
            expose_value=False, envvar="PILEWISE_CA",
        ),
    ] = None,
) -> None:  # fmt: skip
    pass
