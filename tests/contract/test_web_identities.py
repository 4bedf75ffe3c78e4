"""Where callers prove who they are, the pages take the same tokens, and nobody claims a driver."""

from __future__ import annotations

import asyncio
import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from identity_provider import AUDIENCE, ISSUER, IdentityProvider
from watched_town import TOKEN, with_page


@pytest.mark.slow
async def test_the_pages_take_tokens_of_operators_and_no_word_for_a_driver(tmp_path: Path) -> None:
    """Who may write is let in by a signed token; a driver is not believed to be somebody."""
    provider, served = IdentityProvider(tmp_path), with_page(tmp_path)
    with served.config.open("a") as file:
        file.write(
            f'[identity]\njwks_file = "{provider.jwks}"\n'
            f'issuer = "{ISSUER}"\naudience = "{AUDIENCE}"\nanonymous = ["car"]\n'
        )
    await served.start()
    netloc = urlsplit(served.ready["web"]).netloc

    def post(path: str, body: Any, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(netloc, timeout=20)
        try:
            given = {"content-type": "application/json"}
            given |= {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("POST", path, json.dumps(body), given)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    async def session(token: str) -> int:
        header = f"Bearer {token}"
        return (await asyncio.to_thread(post, "/api/session", {}, authorization=header))[0]

    async def drive(**wishes: Any) -> tuple[int, Any]:
        request = {
            "request_id": "request-1",
            "vehicle": {"battery_kwh": 60},
            "soc_pct": 50,
            "position": {"latitude_deg": 22.5, "longitude_deg": 114.0},
            **wishes,
        }
        secret = "a-driver-of-this-tab"
        return await asyncio.to_thread(
            lambda: post("/api/drive/recommend", request, x_pilewise_driver=secret)
        )

    try:
        assert await session(TOKEN) == 200  # the page's own file stays good
        assert await session(provider.token("operator.write")) == 200
        assert await session(provider.token("operator.read")) == 401
        assert await session(provider.unsigned("admin")) == 401
        assert (await drive())[0] == 200
        status, told = await drive(user_id="boss")
        assert status == 400
        assert "user_id" in json.dumps(told)
    finally:
        await served.stop()
