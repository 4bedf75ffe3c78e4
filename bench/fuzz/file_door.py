"""The doors of files: configurations, profiles, scenarios, tapes, imports, model bundles.

Files are spoiled here, written, and read by a worker process (`file_worker.py`) as the rooms do.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.fuzz.file_samples import BUNDLE, GOLDEN, MODEL, TRIAL, samples
from bench.fuzz.input import Input, Kind, Outcome
from bench.fuzz.kinds import kinds
from bench.fuzz.text import mutated_json, mutated_text
from bench.fuzz.wire import mutated, noise

READ_S = 20.0
MANIFEST = "coordinator/manifest.json"


class FileDoor:
    """All kinds of files, each as likely as the others."""

    lanes = 2

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._samples = samples()
        self._workers: asyncio.Queue[Worker] = asyncio.Queue()

    async def open(self) -> None:
        """Starts the workers."""
        for number in range(self.lanes):
            folder = self._folder / f"files-{number}"
            folder.mkdir(parents=True, exist_ok=True)
            self._workers.put_nowait(Worker(folder))

    async def close(self) -> None:
        """Ends the workers."""
        while not self._workers.empty():
            await self._workers.get_nowait().stop()

    def inputs(self, rng: random.Random, count: int) -> Iterator[Input]:
        """So many files."""
        names = list(self._samples)
        for kind in kinds(rng, count):
            target = rng.choice(names)
            sample = rng.choice(self._samples[target])
            yield Input(self.name, target, kind, (_content(rng, target, sample, kind), sample))

    async def send(self, item: Input) -> Outcome:
        """What reading the file came to."""
        worker = await self._workers.get()
        try:
            return await worker.read(item)
        finally:
            self._workers.put_nowait(worker)


def _content(rng: random.Random, target: str, sample: bytes, kind: Kind) -> bytes:
    if kind == "random":
        return noise(rng)
    if kind == "valid":
        return sample
    if target in (MODEL, "firmware_sim/tape.gz"):
        return mutated(rng, sample)
    # Hostile is a tree with strange values, and what follows the form of the language otherwise.
    if target.endswith(".json") and (kind == "hostile" or rng.random() < 0.4):
        return mutated_json(rng, json.loads(sample))
    return mutated_text(rng, sample)


class Worker:
    """One process that reads files; a new one where it died of a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._process: asyncio.subprocess.Process | None = None
        shutil.copytree(BUNDLE, folder / "bundle", dirs_exist_ok=True)

    async def read(self, item: Input) -> Outcome:
        """What became of the file; a bundle that ends the worker is tried as rooms try it."""
        path = self._write(item)
        told = await self._ask(item.target, path)
        if told is None and item.target in (MODEL, GOLDEN, MANIFEST):
            told = await self._ask(TRIAL, path)
        if told is None:
            return Outcome("the reader died", "uncaught")
        if told["word"] == "no answer":
            return Outcome("no answer", "hang")
        return Outcome(told["word"], "uncaught" if told.get("bad") else "", told.get("bad", ""))

    async def stop(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    def _write(self, item: Input) -> Path:
        content = item.frames[0]
        if item.target == MANIFEST:
            path = self._folder / "bundle" / "manifest.json"
        elif item.target in (MODEL, GOLDEN):
            path = self._bundled(content, item.frames[1])
        else:
            room, _, name = item.target.partition("/")
            path = self._folder / f"{room}-{name}"
        path.write_bytes(content)
        path.chmod(0o600)
        return path

    def _bundled(self, content: bytes, sample: bytes) -> Path:
        """Where the file lies whose place this one takes; the manifest vouches for it."""
        folder = self._folder / "bundle"
        manifest: dict[str, Any] = json.loads((BUNDLE / "manifest.json").read_text())
        for path in (*BUNDLE.glob("*.onnx"), *BUNDLE.glob("*.golden.json")):
            shutil.copyfile(path, folder / path.name)
        hashed = hashlib.sha256(sample).hexdigest()
        (name,) = (name for name, told in manifest["files"].items() if told == hashed)
        manifest["files"][name] = hashlib.sha256(content).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder / name

    async def _ask(self, kind: str, path: Path) -> dict[str, str] | None:
        """What the worker says; None where it died."""
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.fuzz.file_worker",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL, limit=2**20,
            )  # fmt: skip
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"kind": kind, "path": str(path)}).encode() + b"\n")
        try:
            async with asyncio.timeout(READ_S):
                line = await process.stdout.readline()
                while line and not line.startswith(b'{"word"'):  # what the runtime has to say
                    line = await process.stdout.readline()
        except TimeoutError:
            await self.stop()
            return {"word": "no answer"}
        if not line:
            await self.stop()
            return None
        told: dict[str, str] = json.loads(line)
        return told
