"""Signatures: a bundle is taken from a trusted key only, and a key is kept from others."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="hint: pip install 'pilewise[coordinator]'")

from coordinator.errors import BundleRefused
from coordinator.models.bundle import load
from coordinator.models.refusals import BundleUntrusted, KeyUnusable
from coordinator.models.serving import BUNDLED
from coordinator.models.signature import Trust, make_key, sign


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped bundle, unsigned."""
    return Path(shutil.copytree(BUNDLED, tmp_path / "bundle"))


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Trust]:
    """An operator's private key, and the trust in it."""
    private, public = tmp_path / "operator.pem", tmp_path / "operator.pub.pem"
    make_key(private, public)
    return private, Trust((str(public),))


def signed(folder: Path, key: Path) -> None:
    content = (folder / "manifest.json").read_bytes()
    (folder / "manifest.sig").write_bytes(sign(content, key))


def test_signed_bundle_is_loaded_and_names_its_key(folder: Path, keys: tuple[Path, Trust]) -> None:
    """The signature of a trusted key is enough, and the bundle says whose it is."""
    key, trust = keys
    signed(folder, key)

    assert load(folder, trust=trust).signed_by == trust.keys[0]


def test_unsigned_bundle_is_refused_unless_the_configuration_says_so(
    folder: Path, keys: tuple[Path, Trust]
) -> None:
    """Without a signature a bundle is taken only where unsigned ones are allowed."""
    _, trust = keys

    with pytest.raises(BundleUntrusted, match="not signed") as caught:
        load(folder, trust=trust)
    assert "models sign" in caught.value.hint
    assert load(folder, trust=Trust(allow_unsigned=True)).signed_by == ""


@pytest.mark.parametrize("allow_unsigned", [False, True])
def test_signature_of_another_key_is_refused(
    folder: Path, keys: tuple[Path, Trust], tmp_path: Path, allow_unsigned: bool
) -> None:
    """A stranger's signature is refused, even where none at all would do."""
    _, trust = keys
    make_key(tmp_path / "stranger.pem", tmp_path / "stranger.pub.pem")
    signed(folder, tmp_path / "stranger.pem")

    with pytest.raises(BundleUntrusted, match="trusted key"):
        load(folder, trust=Trust(trust.keys, allow_unsigned))
    with pytest.raises(BundleUntrusted, match="no key is trusted"):
        load(folder, trust=Trust(allow_unsigned=allow_unsigned))


def test_signature_of_another_manifest_is_refused(folder: Path, keys: tuple[Path, Trust]) -> None:
    """What is signed is this manifest, byte for byte, and with it every file."""
    key, trust = keys
    signed(folder, key)
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(BundleUntrusted):
        load(folder, trust=trust)


@pytest.mark.parametrize("content", [b"", b"junk", b"\0" * 64, b"\0" * 65])
def test_junk_is_no_signature(folder: Path, keys: tuple[Path, Trust], content: bytes) -> None:
    """Nothing, too little, zeros and too much are refused."""
    _, trust = keys
    (folder / "manifest.sig").write_bytes(content)

    with pytest.raises(BundleUntrusted):
        load(folder, trust=trust)


def test_one_of_several_trusted_keys_is_enough(folder: Path, tmp_path: Path) -> None:
    """Keys can be changed without signing everything anew: both are trusted for a while."""
    for name in ("old", "new"):
        make_key(tmp_path / f"{name}.pem", tmp_path / f"{name}.pub.pem")
    signed(folder, tmp_path / "new.pem")
    trusted = tuple(str(tmp_path / f"{name}.pub.pem") for name in ("old", "new"))

    assert load(folder, trust=Trust(trusted)).signed_by == trusted[1]


def test_key_that_others_can_read_is_not_used(folder: Path, keys: tuple[Path, Trust]) -> None:
    """A private key is made for its owner only, and refused when others can reach it."""
    key, _ = keys
    assert key.stat().st_mode & 0o777 == 0o600

    key.chmod(0o640)

    with pytest.raises(KeyUnusable, match="0640") as caught:
        sign(b"x", key)
    assert "chmod 600" in caught.value.hint


def test_key_is_never_overwritten(keys: tuple[Path, Trust], tmp_path: Path) -> None:
    """Making a key where one is leaves the old one."""
    key, _ = keys
    before = key.read_bytes()

    with pytest.raises(KeyUnusable, match="exists"):
        make_key(key, tmp_path / "other.pub.pem")

    assert key.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN PUBLIC KEY-----\nAA\n"])
def test_trusted_key_that_is_none_is_named(
    folder: Path, keys: tuple[Path, Trust], tmp_path: Path, content: bytes | None
) -> None:
    """A missing or broken public key is named; the bundle is not taken without it."""
    key, _ = keys
    signed(folder, key)
    broken = tmp_path / "broken.pem"
    if content is not None:
        broken.write_bytes(content)

    with pytest.raises(BundleRefused, match=r"broken\.pem"):
        load(folder, trust=Trust((str(broken),)))


def test_openssl_signs_and_checks_the_same(
    folder: Path, keys: tuple[Path, Trust], tmp_path: Path
) -> None:
    """A signature made with openssl is taken: keys may live where only other tools reach them."""
    if shutil.which("openssl") is None:
        pytest.skip("hint: apt-get install openssl")
    key, trust = keys
    manifest, signature = folder / "manifest.json", folder / "manifest.sig"
    command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", str(key)]
    command += ["-in", str(manifest), "-out", str(signature)]

    subprocess.run(command, check=True, timeout=30, capture_output=True)

    assert signature.read_bytes() == sign(manifest.read_bytes(), key)
    assert load(folder, trust=trust).signed_by
