"""Copies of the bundles that served, and which of them does: `models/` in the data directory.

models/
  state.json              what serves, what served before, what scores beside it
  shadow.json             how the two that were compared last differ
  <16 hex of the hash>/   a copy of a bundle, named by its manifest

The folder an operator named may change or vanish; what served last is still here after a restart.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import msgspec

from coordinator.errors import BundleRefused, StoreUnavailable
from coordinator.models.bundle_files import MANIFEST, SIGNATURE, read_file, sha256, untrusted
from coordinator.models.manifest import Manifest

STATE = "state.json"


class Entry(msgspec.Struct, frozen=True):
    """A bundle that may serve; without a hash the one that this version came with."""

    manifest_sha256: str = ""
    came_from: str = ""
    name: str = ""
    version: str = ""


class State(msgspec.Struct, frozen=True):
    """Who serves. `configured` is what the configuration named when it was last taken in."""

    active: Entry | None = None
    previous: Entry | None = None
    shadow: Entry | None = None
    configured: Entry = Entry()


SHIPPED = Entry()


class KeptBundles:
    """The folder; every method blocks and belongs off the event loop, except at the start."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self) -> State:
        """What was written last; nothing serves if nothing was, or if it cannot be read."""
        with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return msgspec.json.decode((self._root / STATE).read_bytes(), type=State)
        return State()

    def write(self, state: State) -> None:
        """Durable when this returns; copies that nothing names go. Raises `StoreUnavailable`."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            write_file(self._root / STATE, msgspec.json.encode(state))
        except OSError as error:
            raise StoreUnavailable(str(self._root), error.strerror or str(error)) from error
        named = (state.active, state.previous, state.shadow)
        wanted = {self.folder(entry) for entry in named if entry and entry.manifest_sha256}
        for folder in self._root.iterdir():
            if folder.is_dir() and folder not in wanted:
                shutil.rmtree(folder, ignore_errors=True)

    def folder(self, entry: Entry) -> Path:
        """Where the copy lies."""
        return self._root / entry.manifest_sha256[:16]

    def take_in(self, folder: Path, manifest_sha256: str) -> Entry:
        """A copy of exactly this bundle; raises `BundleRefused` and `StoreUnavailable`."""
        content = read_file(folder / MANIFEST)
        if sha256(content) != manifest_sha256:
            raise untrusted(folder / MANIFEST, "it changed while it was looked at")
        manifest = _parsed(folder, content)
        source = str(folder.absolute())
        entry = Entry(manifest_sha256, source, manifest.name, manifest.version)
        files = {name: read_file(folder / name) for name in manifest.files}
        if os.path.lexists(folder / SIGNATURE):
            files[SIGNATURE] = read_file(folder / SIGNATURE)
        target = self.folder(entry)
        try:
            target.mkdir(parents=True, exist_ok=True)
            # The manifest last: a copy cut short is not taken for one.
            for name, part in (*files.items(), (MANIFEST, content)):
                write_file(target / name, part)
        except OSError as error:
            raise StoreUnavailable(str(self._root), error.strerror or str(error)) from error
        return entry


def _parsed(folder: Path, content: bytes) -> Manifest:
    try:
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleRefused(str(folder / MANIFEST), str(error), "train it anew") from error


def write_file(path: Path, content: bytes) -> None:
    """Replaces a file at once, durably."""
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
