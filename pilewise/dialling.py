"""Channels to a coordinator as clients open them: with its certificate's authority, and a token.

A token lives minutes, so where it comes from is asked again for each call.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import grpc

# A token, or what gives the one of now; empty means none.
TokenSource: TypeAlias = "str | Callable[[], str | Awaitable[str]]"
Metadata: TypeAlias = "tuple[tuple[str, str], ...]"
HEADER: Final = "authorization"


def token_file(path: Path) -> Callable[[], str]:
    """A source that reads the file at each call, so that somebody else may renew it."""
    return lambda: path.read_text("utf-8").strip()


async def bearing(source: TokenSource) -> Metadata:
    """The metadata of a call with the token of now; empty without one."""
    token = source if isinstance(source, str) else source()
    if inspect.isawaitable(token):
        token = await token
    return ((HEADER, f"Bearer {token}"),) if token else ()


def open_channel(
    target: str,
    *,
    ca_file: Path | None = None,
    token: TokenSource = "",
    options: Sequence[tuple[str, Any]] = (),
) -> grpc.aio.Channel:
    """A channel; with `ca_file` (PEM) over TLS. The token goes with each call that sends one
    message; streams of messages are given it by who opens them."""
    carriers: list[grpc.aio.ClientInterceptor] = []
    if token:
        carriers += [_Unary(token), _Stream(token)]
    if ca_file is None:
        return grpc.aio.insecure_channel(target, options=options, interceptors=carriers)
    credentials = grpc.ssl_channel_credentials(ca_file.read_bytes())
    return grpc.aio.secure_channel(target, credentials, options=options, interceptors=carriers)


class _Carrier:
    def __init__(self, source: TokenSource) -> None:
        self._source = source

    async def _with_token(self, details: Any) -> Any:
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        for key, value in await bearing(self._source):
            metadata.add(key, value)
        return details._replace(metadata=metadata)


class _Unary(_Carrier, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(await self._with_token(details), request)


class _Stream(_Carrier, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(await self._with_token(details), request)
