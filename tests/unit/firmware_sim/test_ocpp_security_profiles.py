"""Security profiles of charge points against real TLS servers, good and bad ones."""

from __future__ import annotations

import asyncio
import base64
import http
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority, Pair, authority
from example_system import ExampleSystem
from ocpp.v16 import call as call16
from ocpp.v201 import call as call201
from ocpp_simulator import SimulatedStation, simulated

VERSIONS = ("ocpp1.6", "ocpp2.0.1")
KEY, OTHER_KEY = "correct-horse-battery", "another-horse-battery"
HOSTS = "IP:127.0.0.1,DNS:localhost"
pytestmark = pytest.mark.slow


def server_tls(shown: Pair, clients: Authority | None = None) -> ssl.SSLContext:
    """What a server shows, and whose clients it wants."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.cert, shown.key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.own.cert)
    return context


def basic(passwords: set[str]) -> Callable[[Any, Any], Any]:
    """Lets in who shows one of these passwords."""

    def check(connection: Any, request: Any) -> Any:
        shown = request.headers.get("Authorization", "")
        good = {base64.b64encode(f"B-01:{key}".encode()).decode() for key in passwords}
        if shown.removeprefix("Basic ") in good:
            return None
        return connection.respond(http.HTTPStatus.UNAUTHORIZED, "who are you\n")

    return check


@dataclass
class Yard:
    """A folder with certificates, systems and the station that dials them."""

    folder: Path
    version: str
    open: AsyncExitStack

    async def system(self, **options: Any) -> ExampleSystem:
        """A central system with these websocket options."""
        system = ExampleSystem(self.version, options=options)
        await system.open()
        self.open.push_async_callback(system.close)
        return system

    async def station(self, url: str, *lines: str) -> SimulatedStation:
        """A station that dials there."""
        (self.folder / "key").write_text(KEY)
        return await self.open.enter_async_context(
            simulated(self.folder, self.version, url, *lines)
        )

    def installs(self, pem: str) -> Any:
        """The request that installs the central system's root."""
        if self.version == "ocpp1.6":
            return call16.InstallCertificate("CentralSystemRootCertificate", pem)
        return call201.InstallCertificate("CSMSRootCertificate", pem)

    def sets_password(self, password: str) -> Any:
        """The request that changes the password."""
        if self.version == "ocpp1.6":
            return call16.ChangeConfiguration("AuthorizationKey", password)
        place = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
        return call201.SetVariables([{**place, "attribute_value": password}])

    async def moves_to(self, system: ExampleSystem, profile: int, url: str) -> str:
        """Asks for another security profile at an address; gives the answer."""
        if self.version == "ocpp1.6":
            answer = await system.ask(call16.ChangeConfiguration("SecurityProfile", str(profile)))
            return str(answer.status)
        data = {
            "ocpp_version": "OCPP20", "ocpp_transport": "JSON", "ocpp_csms_url": url,
            "message_timeout": 30, "security_profile": profile, "ocpp_interface": "Wired0",
        }  # fmt: skip
        answer = await system.ask(call201.SetNetworkProfile(1, data))
        if str(answer.status) != "Accepted":
            return str(answer.status)
        name = {"component": {"name": "OCPPCommCtrlr"},
                "variable": {"name": "NetworkConfigurationPriority"}}  # fmt: skip
        done = await system.ask(call201.SetVariables([{**name, "attribute_value": "1"}]))
        status = str(done.set_variable_result[0]["attribute_status"])
        if status == "RebootRequired":
            await system.ask(call201.Reset("Immediate"))
            return "Accepted"
        return status


@pytest.fixture(params=VERSIONS)
async def yard(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Yard]:
    """One for each version."""
    async with AsyncExitStack() as stack:
        yield Yard(tmp_path, request.param, stack)


async def booted(system: ExampleSystem) -> None:
    """Waits until a station has introduced itself."""
    await system.until(lambda: system.heard("StatusNotification"))


async def test_profile_1_shows_the_password_over_a_plain_line(yard: Yard) -> None:
    """The right one gets in; with a wrong one the station never does, and keeps trying."""
    good = await yard.system(process_request=basic({KEY}))
    await yard.station(good.url(), 'password_file = "key"')
    await booted(good)
    await yard.open.aclose()
    tried = 0

    def refuse(connection: Any, request: Any) -> Any:
        nonlocal tried
        tried += 1
        return basic({OTHER_KEY})(connection, request)

    bad = await yard.system(process_request=refuse)
    await yard.station(bad.url(), 'password_file = "key"')
    async with asyncio.timeout(60):
        while tried < 2:
            await asyncio.sleep(0.02)

    assert bad.stations == []


async def test_profile_2_trusts_only_the_right_server(yard: Yard) -> None:
    """A server of the known authority is trusted, and gets the password inside of TLS."""
    ca = authority(yard.folder / "ca")
    system = await yard.system(
        ssl=server_tls(ca.issue("localhost", alt=HOSTS)), process_request=basic({KEY})
    )

    await yard.station(system.url("wss"), 'password_file = "key"', 'ca_file = "ca/ca.pem"')

    await booted(system)


@pytest.mark.parametrize("flaw", ["wrong authority", "expired", "not yet valid", "wrong host"])
async def test_profile_2_refuses_a_server_with_a_flaw(yard: Yard, flaw: str) -> None:
    """Nothing is said to a server of another authority, time or name, not even the password."""
    ca, other = authority(yard.folder / "ca"), authority(yard.folder / "other")
    shown = {
        "wrong authority": lambda: other.issue("localhost", alt=HOSTS),
        "expired": lambda: ca.issue("localhost", alt=HOSTS, end="20210101000000Z"),
        "not yet valid": lambda: ca.issue("localhost", alt=HOSTS, start="20980101000000Z"),
        "wrong host": lambda: ca.issue("elsewhere", alt="DNS:elsewhere.example"),
    }[flaw]()
    asked: list[Any] = []
    system = await yard.system(
        ssl=server_tls(shown), process_request=lambda _, request: asked.append(request)
    )

    station = await yard.station(
        system.url("wss"), 'password_file = "key"', 'ca_file = "ca/ca.pem"'
    )
    line = getattr(station.simulator._ocpp["B-01"], "_line")  # noqa: B009
    async with asyncio.timeout(60):
        while line.failures < 2:
            await asyncio.sleep(0.02)

    assert asked == []
    assert "certificate" in line.last_failure.lower()


async def test_profile_3_shows_a_certificate(yard: Yard) -> None:
    """The station is known by its certificate; no password is sent."""
    ca = authority(yard.folder / "ca")
    own = ca.issue("B-01")
    system = await yard.system(ssl=server_tls(ca.issue("localhost", alt=HOSTS), ca))

    await yard.station(
        system.url("wss"),
        'ca_file = "ca/ca.pem"',
        f'cert_file = "ca/{own.cert.name}"',
        f'key_file = "ca/{own.key.name}"',
    )
    await booted(system)

    assert "Authorization" not in system.handshakes[0]


@pytest.mark.parametrize("shown", ["none", "of another authority", "expired"])
async def test_profile_3_is_refused_without_the_right_certificate(yard: Yard, shown: str) -> None:
    """The server lets nobody in who shows none, a strange one or an old one."""
    ca, other = authority(yard.folder / "ca"), authority(yard.folder / "other")
    own = {
        "none": lambda: None,
        "of another authority": lambda: other.issue("B-01"),
        "expired": lambda: ca.issue("B-01", end="20210101000000Z"),
    }[shown]()
    lines = ['ca_file = "ca/ca.pem"']
    if own is not None:
        folder = own.cert.parent.name
        lines += [
            f'cert_file = "{folder}/{own.cert.name}"',
            f'key_file = "{folder}/{own.key.name}"',
        ]
    system = await yard.system(ssl=server_tls(ca.issue("localhost", alt=HOSTS), ca))

    station = await yard.station(system.url("wss"), *lines)
    line = getattr(station.simulator._ocpp["B-01"], "_line")  # noqa: B009
    async with asyncio.timeout(60):
        while line.failures < 2:
            await asyncio.sleep(0.02)

    assert system.handshakes == []


async def test_new_password_is_used_from_the_next_connection_on(yard: Yard) -> None:
    """The station drops the line and comes with the new one; it is shown to nobody."""
    good = {KEY}
    system = await yard.system(process_request=lambda c, r: basic(good)(c, r))
    await yard.station(system.url(), 'password_file = "key"')
    await booted(system)
    good |= {OTHER_KEY}

    await system.ask(yard.sets_password(OTHER_KEY))
    good -= {KEY}
    await system.until(lambda: len(system.stations) == 2)

    shown = system.handshakes[-1]["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(shown).decode() == f"B-01:{OTHER_KEY}"
    if yard.version == "ocpp1.6":
        await system.until(lambda: len(system.heard("StatusNotification")) > 3)
        told = await system.ask(call16.GetConfiguration(["AuthorizationKey"]))
        assert told.configuration_key == []


async def test_password_that_is_refused_is_given_up_and_told(yard: Yard) -> None:
    """After three refusals the old one counts again, and a security event says so."""
    system = await yard.system(process_request=basic({KEY}))
    await yard.station(system.url(), 'password_file = "key"')
    await booted(system)

    await system.ask(yard.sets_password(OTHER_KEY))
    event = await system.wait_for("SecurityEventNotification")

    assert event["type"] == "FailedToAuthenticateAtCsms"
    assert len(system.stations) == 2


async def test_profile_rises_once_a_root_is_installed_and_never_falls(yard: Yard) -> None:
    """Without a root it is refused, with one the station moves to TLS; back it does not go."""
    ca = authority(yard.folder / "ca")
    plain = await yard.system(process_request=basic({KEY}))
    secure = await yard.system(
        ssl=server_tls(ca.issue("localhost", alt=HOSTS)), process_request=basic({KEY})
    )
    own = f'[pile.ocpp]\nsecure_url = "{secure.url("wss")}"'
    await yard.station(plain.url(), 'password_file = "key"', own)
    await booted(plain)

    early = await yard.moves_to(plain, 2, secure.url("wss"))
    installed = await plain.ask(yard.installs(ca.own.cert.read_text()))
    raised = await yard.moves_to(plain, 2, secure.url("wss"))
    await booted(secure)
    back = await yard.moves_to(secure, 1, plain.url())

    assert early == "Rejected"
    assert str(installed.status) == "Accepted"
    assert raised == "Accepted"
    assert back == "Rejected"


async def test_profile_falls_back_where_the_new_one_does_not_answer(yard: Yard) -> None:
    """After three failures the old line is used again, and a security event says so."""
    ca = authority(yard.folder / "ca")
    plain = await yard.system(process_request=basic({KEY}))
    nowhere = "wss://127.0.0.1:1/B-01"
    own = f'[pile.ocpp]\nsecure_url = "{nowhere}"'
    await yard.station(plain.url(), 'password_file = "key"', own)
    await booted(plain)
    await plain.ask(yard.installs(ca.own.cert.read_text()))

    raised = await yard.moves_to(plain, 2, nowhere)
    event = await plain.wait_for("SecurityEventNotification")

    assert raised == "Accepted"
    assert event["type"] == "FailedToAuthenticateAtCsms"
    assert len(plain.stations) == 2


async def test_station_asks_for_a_certificate_and_shows_it(yard: Yard) -> None:
    """A signed request is taken and shown from the next connection on; a strange one is refused."""
    ca = authority(yard.folder / "ca")
    own = ca.issue("B-01")
    system = await yard.system(ssl=server_tls(ca.issue("localhost", alt=HOSTS), ca))
    await yard.station(
        system.url("wss"),
        'ca_file = "ca/ca.pem"',
        f'cert_file = "ca/{own.cert.name}"',
        f'key_file = "ca/{own.key.name}"',
    )
    await booted(system)
    old = yard.version == "ocpp1.6"
    wish = (
        call16.ExtendedTriggerMessage("SignChargePointCertificate")
        if old
        else call201.TriggerMessage("SignChargingStationCertificate")
    )
    signed = (call16 if old else call201).CertificateSigned

    before = serial_shown(system)
    await system.ask(wish)
    request = (await system.wait_for("SignCertificate"))["csr"]
    strange = await system.ask(signed(own.cert.read_text()))
    event = await system.wait_for("SecurityEventNotification")
    chain = ca.sign(request)
    taken = await system.ask(signed(chain))
    await system.until(lambda: len(system.stations) == 2)

    assert (str(strange.status), str(taken.status)) == ("Rejected", "Accepted")
    assert event["type"].startswith("InvalidChargi" if not old else "InvalidChargePoint")
    assert serial_shown(system) != before


def serial_shown(system: ExampleSystem) -> str:
    """The serial number of the certificate that the newest connection showed."""
    socket = system.stations[-1]._connection
    return str(socket.transport.get_extra_info("peercert")["serialNumber"])


async def test_roots_are_installed_listed_and_deleted(yard: Yard) -> None:
    """Hash data names a root; what is no certificate is refused."""
    ca = authority(yard.folder / "ca")
    system = await yard.system()
    await yard.station(system.url())
    await booted(system)
    old = yard.version == "ocpp1.6"
    listing: Any = (
        call16.GetInstalledCertificateIds("CentralSystemRootCertificate")
        if old
        else call201.GetInstalledCertificateIds(["CSMSRootCertificate"])
    )

    junk = await system.ask(yard.installs("-----BEGIN CERTIFICATE-----\nAAAA\n"))
    none = await system.ask(listing)
    await system.ask(yard.installs(ca.own.cert.read_text()))
    known = await system.ask(listing)
    data = (
        known.certificate_hash_data[0]
        if old
        else known.certificate_hash_data_chain[0]["certificate_hash_data"]
    )
    deleted = await system.ask((call16 if old else call201).DeleteCertificate(data))
    again = await system.ask((call16 if old else call201).DeleteCertificate(data))

    assert (str(junk.status), str(none.status)) == ("Rejected", "NotFound")
    assert (str(deleted.status), str(again.status)) == ("Accepted", "NotFound")
    assert system.wrong == []
