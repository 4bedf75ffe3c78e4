"""A coordinator process whose listeners are secured, with certificates made by `openssl`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
from certificates import Authority, Pair, authority
from coordinator_process import CoordinatorProcess
from wire_agent import WireAgent

SERVER_NAMES = "DNS:localhost,IP:127.0.0.1"


class SecuredDistrict(CoordinatorProcess):
    """District `test`: cars at `address`, agents with certificates at `agents_address`."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self.authority: Authority = authority(folder / "authority")
        self.server = self.authority.issue("localhost", alt=SERVER_NAMES)
        self.trust = folder / "trust.pem"
        self.trust.write_bytes(self.authority.own.cert.read_bytes())
        with self.config.open("a") as config:
            config.write(
                f'[tls]\ncert_file = "{self.server.cert}"\nkey_file = "{self.server.key}"\n'
                f'client_ca_file = "{self.trust}"\nagents_listen = "127.0.0.1:0"\n'
            )

    @property
    def agents_address(self) -> str:
        """Where agents connect."""
        return str(self.ready["agents"])

    def certificate(self, agent_id: str, district: str = "test", **dates: str) -> Pair:
        """A certificate of an agent, from the authority that the district trusts."""
        return self.authority.issue(
            agent_id, alt=f"URI:spiffe://{district}/agent/{agent_id}", **dates
        )

    def channel(self, pair: Pair | None, address: str = "") -> grpc.aio.Channel:
        """A channel that shows this certificate; at the agents' address unless told otherwise."""
        return secure_channel(address or self.agents_address, self.trust, pair)

    def agent(self, pair: Pair | None, agent_id: str, **hello: Any) -> WireAgent:
        """A raw agent before the agents' address."""
        return WireAgent(self.agents_address, agent_id, channel=self.channel(pair), **hello)


def secure_channel(address: str, trust: Path, pair: Pair | None) -> grpc.aio.Channel:
    """A channel with a connection of its own."""
    credentials = grpc.ssl_channel_credentials(
        trust.read_bytes(),
        pair.key.read_bytes() if pair else None,
        pair.cert.read_bytes() if pair else None,
    )
    options = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.secure_channel(address, credentials, options=options)
