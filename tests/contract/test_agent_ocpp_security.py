"""Who may connect to the local central system: security profiles 0 to 3, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority, Pair, authority
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.typing import Subprotocol

from edge_agent.core.ocpp_admission import Door, key_forms
from edge_agent.piles.ocpp_keys import watch_keys
from edge_agent.piles.ocpp_server import OcppServer, Ports
from edge_agent.piles.ocpp_tls import TlsPaths, server_context
from edge_agent.piles.port import StationConnection

KEY = b"correct-horse-battery"
ODD = "site 7/P*1 ä"
TLS_PORT = ("127.0.0.1", 0)


class Echo:
    """A pile that says back what it hears, and which sub-protocol it talks."""

    def __init__(self) -> None:
        self.live = 0
        self.most = 0

    async def serve(self, connection: StationConnection) -> None:
        self.live += 1
        self.most = max(self.most, self.live)
        try:
            while True:
                frame = await connection.recv()
                await connection.send(f'["{connection.subprotocol}",{frame}]')
        except ConnectionClosed:
            return
        finally:
            self.live -= 1


class Site:
    """A running server, and what it raised."""

    def __init__(self, ports: Ports, *doors: Door, **options: Any) -> None:
        self.alarms: list[tuple[str, str, str]] = []
        self.pile = Echo()
        self.server = OcppServer(
            ports,
            doors,
            {door.identity: self.pile for door in doors},
            alarm=lambda *told: self.alarms.append(told),
            **options,
        )

    async def __aenter__(self) -> Site:
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()

    async def dial(
        self,
        identity: str = "P1",
        *,
        key: bytes | None = None,
        user: str = "",
        offers: tuple[str, ...] = ("ocpp1.6",),
        trust: ssl.SSLContext | None = None,
        url: str = "",
    ) -> ClientConnection:
        headers = {}
        if key is not None:
            proof = b64encode((user or identity).encode() + b":" + key).decode()
            headers["Authorization"] = f"Basic {proof}"
        return await connect(
            url or self.server.url_of(identity),
            subprotocols=[Subprotocol(word) for word in offers],
            additional_headers=headers,
            ssl=trust,
            proxy=None,
        )

    async def refusal(self, *words: Any, **options: Any) -> int:
        with pytest.raises(InvalidStatus) as refused:
            await self.dial(*words, **options)
        return int(refused.value.response.status_code)


async def talks(socket: ClientConnection) -> str:
    """The sub-protocol in which the pile answers."""
    await socket.send('[3,"1",{}]')
    answer = await asyncio.wait_for(socket.recv(), 60)
    await socket.close()
    return str(answer).split('"')[1]


def plain(*doors: Door, **options: Any) -> Site:
    return Site(Ports(("127.0.0.1", 0)), *doors, **options)


def basic(identity: str = "P1", level: int = 1) -> Door:
    return Door(identity, ("ocpp1.6",), level, key_forms(KEY))


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("pki") / "operator")


@pytest.fixture(scope="module")
def shown(ca: Authority) -> Pair:
    return ca.issue("gateway", alt="IP:127.0.0.1")


def secure(
    ca: Authority, shown: Pair, *doors: Door, certified: bool = False, also_plain: bool = False
) -> tuple[Site, list[str]]:
    said: list[str] = []
    context = server_context(
        TlsPaths(shown.cert, shown.key, ca.own.cert if certified else None),
        everybody_certified=all(door.security_profile == 3 for door in doors),
        on_failure=said.append,
    )
    ports = Ports(("127.0.0.1", 0) if also_plain else None, TLS_PORT, context)
    return Site(ports, *doors), said


def trusting(ca: Authority, pair: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca.own.cert)
    if pair is not None:
        context.load_cert_chain(pair.cert, pair.key)
    return context


@pytest.mark.parametrize(
    ("speaks", "offers", "talked"),
    [
        (("ocpp1.6",), ("ocpp2.0.1", "ocpp1.6"), "ocpp1.6"),
        (("ocpp2.0.1",), ("ocpp1.6", "ocpp2.0.1"), "ocpp2.0.1"),
        (("ocpp2.0.1", "ocpp1.6"), ("ocpp1.6", "ocpp2.0.1"), "ocpp2.0.1"),
        (("ocpp2.0.1", "ocpp1.6"), ("ocpp1.6",), "ocpp1.6"),
    ],
)
async def test_subprotocol_is_picked_by_what_the_pile_speaks(
    speaks: tuple[str, ...], offers: tuple[str, ...], talked: str
) -> None:
    """Both versions share one port; of what both ends know 2.0.1 comes first."""
    async with plain(Door("P1", speaks)) as site:
        assert await talks(await site.dial(offers=offers)) == talked


async def test_identity_is_the_whole_decoded_path() -> None:
    """Slashes, spaces and letters of any kind are part of an identity, and of its user name."""
    async with plain(basic(ODD)) as site:
        assert await talks(await site.dial(ODD, key=KEY)) == "ocpp1.6"
        assert site.server.url_of(ODD).endswith("/site%207/P*1%20%C3%A4")


async def test_profile_1_takes_the_right_password_only() -> None:
    """No password, a wrong one, a shorter one and another user's are each answered with 401."""
    async with plain(basic()) as site:
        refused = [
            await site.refusal(),
            await site.refusal(key=b"wrong-horse-battery-1"),
            await site.refusal(key=KEY[:-1]),
            await site.refusal(key=KEY, user="P2"),
        ]

        assert refused == [401] * 4
        assert await talks(await site.dial(key=KEY)) == "ocpp1.6"


async def test_key_written_in_hex_is_taken_as_text_and_as_bytes() -> None:
    """Stations that were given a hexadecimal key send its text or its bytes; both are right."""
    text = b"00ff10ef20df30cf40bf50af60ff7eef8ddf9ccf"
    async with plain(Door("P1", ("ocpp1.6",), 1, key_forms(text))) as site:
        for form in (text, bytes.fromhex(text.decode())):
            assert await talks(await site.dial(key=form)) == "ocpp1.6"


async def test_profile_0_refuses_a_station_that_shows_a_password() -> None:
    """Another profile than the configured one is refused even where it is the higher one."""
    async with plain(Door("P1")) as site:
        assert await site.refusal(key=KEY) == 403


async def test_profile_2_talks_over_tls_with_a_password(ca: Authority, shown: Pair) -> None:
    """Basic auth inside TLS is let in; without the password it is not."""
    site, _ = secure(ca, shown, basic(level=2))
    async with site:
        assert site.server.url_of("P1").startswith("wss://")
        assert await site.refusal(trust=trusting(ca)) == 401
        assert await talks(await site.dial(key=KEY, trust=trusting(ca))) == "ocpp1.6"


async def test_downgrade_to_plain_is_refused(ca: Authority, shown: Pair) -> None:
    """A pile of profile 2 that comes over ws:// with its right password is turned away."""
    site, _ = secure(ca, shown, basic(level=2), basic("P2"), also_plain=True)
    async with site:
        assert await site.refusal(key=KEY, url=site.server.url + "P1") == 403
        assert (
            await site.refusal("P2", key=KEY, trust=trusting(ca), url=site.server.tls_url + "P2")
            == 403
        )
        assert await talks(await site.dial("P2", key=KEY)) == "ocpp1.6"


async def test_profile_3_takes_a_certificate_of_that_identity(ca: Authority, shown: Pair) -> None:
    """The common name has to be the identity; a password is no substitute."""
    site, _ = secure(ca, shown, Door("P1", ("ocpp1.6",), 3), basic("P2", 2), certified=True)
    mine, other = ca.issue("P1"), ca.issue("P9")
    async with site:
        assert await talks(await site.dial(trust=trusting(ca, mine))) == "ocpp1.6"
        assert await site.refusal(trust=trusting(ca, other)) == 403
        assert await site.refusal(key=KEY, trust=trusting(ca)) == 403


async def test_T4_bad_client_certificates_are_refused_with_their_reason(
    ca: Authority, shown: Pair, tmp_path: Path
) -> None:
    """Expired, not yet valid, another authority's, none at all: no handshake, and why is told."""
    stranger = authority(tmp_path / "stranger")
    bad = {
        "certificate has expired": ca.issue("P1", end="20210101000000Z"),
        "certificate is not yet valid": ca.issue("P1", start="20980101000000Z"),
        "unable to get local issuer certificate": stranger.issue("P1"),
        "peer did not return a certificate": None,
    }
    site, said = secure(ca, shown, Door("P1", ("ocpp1.6",), 3), certified=True)
    async with site:
        for reason, pair in bad.items():
            # With TLS 1.3 the client may learn of the refusal only when it reads.
            with pytest.raises((OSError, EOFError, ConnectionClosed, InvalidMessage)):
                await talks(await site.dial(trust=trusting(ca, pair)))
            assert reason in said[-1]
        assert site.pile.most == 0
        assert len(said) == len(bad)


async def test_T4_server_certificate_is_checked_by_the_station(
    ca: Authority, shown: Pair, tmp_path: Path
) -> None:
    """A station that trusts another authority does not send its password."""
    stranger = authority(tmp_path / "stranger")
    site, _ = secure(ca, shown, basic(level=2))
    async with site:
        with pytest.raises(ssl.SSLCertVerificationError):
            await site.dial(key=KEY, trust=trusting(stranger))
        assert site.pile.most == 0
        assert await talks(await site.dial(key=KEY, trust=trusting(ca))) == "ocpp1.6"


async def test_tls_1_1_is_refused(ca: Authority, shown: Pair) -> None:
    """TLS below 1.2 gets no handshake."""
    site, said = secure(ca, shown, basic(level=2))
    old = trusting(ca)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with site:
        with pytest.raises(OSError):  # noqa: PT011 - a reset or an alert
            await site.dial(key=KEY, trust=old)

    assert "unsupported protocol" in said[-1]


async def test_guessing_is_locked_out_but_the_known_station_is_not() -> None:
    """After ten wrong keys an identity answers 429 to strangers; who proved it before comes in."""
    async with plain(basic(), basic("P2")) as site:
        known = await site.dial(key=KEY)
        guesses = [await site.refusal("P2", key=b"x" * 20) for _ in range(12)]
        locked = await site.refusal("P2", key=KEY)

        assert guesses == [401] * 10 + [429] * 2
        assert locked == 429
        assert await talks(await site.dial(key=KEY)) == "ocpp1.6"
        await known.close()


async def test_refusals_are_logged_once_per_change(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten tries with one mistake are one line with the URL that would work; another is a second."""
    async with plain(basic()) as site:
        for _ in range(4):
            await site.refusal(key=b"x" * 20)
        await site.refusal(key=KEY, offers=("ocpp1.5",))
        url = site.server.url_of("P1")

    told = [line for line in capsys.readouterr().out.splitlines() if "handshake refused" in line]
    assert len(told) == 2
    assert "wrong user or password" in told[0]
    assert all(url in line for line in told)


async def test_changed_password_drops_the_session(tmp_path: Path) -> None:
    """A new key in the file ends the session; the old key is worth nothing, the new one is."""
    path = tmp_path / "key"
    path.write_bytes(b"another-long-password\n")
    path.chmod(0o600)
    async with plain(basic()) as site:
        socket = await site.dial(key=KEY)
        watch = asyncio.create_task(
            watch_keys({"P1": path}, {"P1": (KEY,)}, site.server.change_keys, 0.02),
            name="test:watch",
        )
        await asyncio.wait_for(socket.wait_closed(), 60)
        watch.cancel()

        assert socket.close_code == 1008
        assert await site.refusal(key=KEY) == 401
        assert await talks(await site.dial(key=b"another-long-password")) == "ocpp1.6"
    assert ("P1", "PASSWORD_CHANGED") in [alarm[:2] for alarm in site.alarms]


async def test_K2_password_file_opened_to_others_later_is_ignored(tmp_path: Path) -> None:
    """While running, a file that others may read changes nothing."""
    path = tmp_path / "key"
    path.write_bytes(b"another-long-password\n")
    path.chmod(0o644)
    changed: list[str] = []

    async def change(identity: str, keys: tuple[bytes, ...]) -> None:
        changed.append(identity)

    watch = watch_keys({"P1": path}, {"P1": (KEY,)}, change, 0.01)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await watch

    assert changed == []


async def test_E10_duplicate_with_the_key_displaces_and_raises_an_alarm() -> None:
    """Whoever proves the key takes over; the pile never has two sessions at a time."""
    async with plain(basic()) as site:
        first = await site.dial(key=KEY)
        second = await site.dial(key=KEY)
        await asyncio.wait_for(first.wait_closed(), 60)

        assert first.close_code == 1008
        assert await talks(second) == "ocpp1.6"
        assert site.pile.most == 1
    assert [alarm[:2] for alarm in site.alarms] == [("P1", "DUPLICATE_IDENTITY")]


async def test_E10_duplicate_without_a_key_is_refused_while_the_first_lives() -> None:
    """Without a key the first stays, the second gets 409, and an alarm tells."""
    async with plain(Door("P1")) as site:
        first = await site.dial()

        assert await site.refusal() == 409
        assert await talks(first) == "ocpp1.6"
    assert [alarm[:2] for alarm in site.alarms] == [("P1", "DUPLICATE_IDENTITY")]


@pytest.mark.slow
async def test_E10_dead_first_connection_makes_room_after_a_ping() -> None:
    """A socket whose other end no longer answers is evicted, so that a zombie blocks nobody."""
    async with plain(Door("P1")) as site:
        zombie = await site.dial()
        zombie.transport.pause_reading()  # like a cable that was pulled: nothing is answered

        assert await talks(await site.dial()) == "ocpp1.6"
        zombie.transport.abort()


@pytest.mark.slow
async def test_zombie_socket_is_found_without_anybody_asking() -> None:
    """A peer that answers no ping is dropped after the ping period and its time-out."""
    async with plain(Door("P1"), ping_s=0.2) as site:
        zombie = await site.dial()
        zombie.transport.pause_reading()
        async with asyncio.timeout(60):
            while site.pile.live or not site.pile.most:
                await asyncio.sleep(0.02)
        zombie.transport.abort()


async def test_plain_port_is_closed_to_other_networks() -> None:
    """ws:// from an address in none of the named networks is refused, whatever it knows."""
    async with plain(basic()) as site:
        site.server.gate._may_speak_plainly = lambda peer: False  # type: ignore[method-assign]

        assert await site.refusal(key=KEY) == 403


@pytest.mark.parametrize("word", ["ocpp1.6", "ocpp2.0.1"])
async def test_E9_broken_frames_are_answered_in_the_words_of_the_version(word: str) -> None:
    """1.6 knows FormationViolation only; 2.0.1 tells three kinds of broken apart."""
    frames = [b"no json", b'[2,"\xff",1]', b'[9,"a",{}]', b'[2,"a","Heartbeat"]']
    async with plain(Door("P1", (word,))) as site:
        socket = await site.dial(offers=(word,))
        codes = []
        for frame in frames:
            await socket.send(frame, text=True)
            codes.append(str(await asyncio.wait_for(socket.recv(), 60)).split('"')[3])

        assert codes == (
            ["FormationViolation"] * 4
            if word == "ocpp1.6"
            else ["RpcFrameworkError"] * 2 + ["MessageTypeNotSupported", "FormatViolation"]
        )
        assert await talks(socket) == word


async def test_E9_frame_of_a_megabyte_is_the_largest() -> None:
    """A megabyte of nonsense is answered and the connection lives; one byte more ends it: 1009."""
    async with plain(Door("P1")) as site:
        socket = await site.dial()
        await socket.send("x" * 1_000_000)
        answer = await asyncio.wait_for(socket.recv(), 60)
        await socket.send("x" * 1_000_001)
        await asyncio.wait_for(socket.wait_closed(), 60)

    assert "FormationViolation" in str(answer)
    assert socket.close_code == 1009
