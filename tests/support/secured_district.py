"""A coordinator process whose listeners are secured, with certificates made by `openssl`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from certificates import Authority, Pair, authority
from coordinator_process import CoordinatorProcess
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from wire_agent import WireAgent

from coordinator.trust.authority import init_authority
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1.edge_service_pb2_grpc import EdgeServiceStub
from pilewise.v1.operator_service_pb2_grpc import OperatorServiceStub

SERVER_NAMES = "DNS:localhost,IP:127.0.0.1"


class OwnAuthority(CoordinatorProcess):
    """District `test` that gives its agents certificates itself."""

    def __init__(self, folder: Path, days: float = 7.0, hours: float = 24.0, **settings: Any):
        super().__init__(folder, **settings)
        self.ca_dir = folder / "ca"
        self.trust = self.ca_dir / "trust.pem"
        self.authority = init_authority(self.ca_dir, "test")
        self.authority.issue_server(["localhost", "127.0.0.1"], 90, self.ca_dir / "server.pem")
        with self.config.open("a") as config:
            config.write(
                f'[tls]\ncert_file = "{self.ca_dir}/server.pem"\n'
                f'client_ca_file = "{self.trust}"\nagents_listen = "127.0.0.1:0"\n'
                f'[enrolment]\nca_dir = "{self.ca_dir}"\ncertificate_days = {days}\n'
                f"token_hours = {hours}\n"
            )

    @property
    def agents_address(self) -> str:
        """Where agents connect."""
        return str(self.ready["agents"])

    def channel(self, pair: Pair | None, address: str = "") -> grpc.aio.Channel:
        """A channel that shows this certificate, at the agents' address unless told otherwise."""
        return secure_channel(address or self.agents_address, self.trust, pair)

    def agent(self, pair: Pair | None, agent_id: str, **hello: Any) -> WireAgent:
        """A raw agent before the agents' address."""
        return WireAgent(self.agents_address, agent_id, channel=self.channel(pair), **hello)

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[OperatorServiceStub]:
        """What operators ask."""
        async with self.channel(None, self.address) as channel:
            yield OperatorServiceStub(channel)

    async def token(self, agent_id: str) -> str:
        """A fresh bootstrap token."""
        async with self.operator() as operator:
            answer = await operator.IssueToken(op.IssueTokenRequest(agent_id=agent_id), timeout=10)
        return answer.bootstrap_token

    async def enrol(self, agent_id: str, token: str, request: bytes) -> edge.EnrollResponse:
        """What comes of a token and a request."""
        wish = edge.EnrollRequest(
            agent_id=agent_id, bootstrap_token=token, certificate_request_der=request
        )
        async with self.channel(None, self.address) as channel:
            return await EdgeServiceStub(channel).Enroll(wish, timeout=10)

    async def enrolled(self, agent_id: str) -> Pair:
        """Key and certificate of an agent that was just enrolled."""
        key, request = signing_request()
        answer = await self.enrol(agent_id, await self.token(agent_id), request)
        return self.pair(key, answer.certificate_chain_pem)

    def pair(self, key: bytes, chain: str) -> Pair:
        """Both as files."""
        stem = self.folder / f"pair-{len(list(self.folder.glob('pair-*.key')))}"
        pair = Pair(stem.with_suffix(".pem"), stem.with_suffix(".key"))
        pair.key.write_bytes(key)
        pair.cert.write_text(chain)
        return pair


def signing_request(curve: Any = None) -> tuple[bytes, bytes]:
    """A fresh key, PEM, and a certificate request made with it, DER."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(key, hashes.SHA256())
    return pem, request.public_bytes(serialization.Encoding.DER)


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
