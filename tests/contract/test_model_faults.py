"""Faults of models, row by row, against a real coordinator that goes on answering cars."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import model_files
import numpy as np
import psutil
import pytest
from answered_cars import Answers, asking_cars
from coordinator_process import CoordinatorProcess

from coordinator.core.recommend.features import FEATURES
from coordinator.models import ranker
from coordinator.models.manifest import Tensor
from coordinator.models.serving import BUNDLED
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SHIPPED = json.loads((BUNDLED / "manifest.json").read_text())["version"]


@asynccontextmanager
async def running(folder: Path, **models: object) -> AsyncIterator[CoordinatorProcess]:
    """A coordinator with these settings of its models; unsigned bundles are taken."""
    process = CoordinatorProcess(folder)
    settings = {"allow_unsigned": True, **models}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    process.config.write_text(process.config.read_text() + "\n[models]\n" + "\n".join(lines))
    await process.start()
    try:
        yield process
    finally:
        await process.stop()


class Operator:
    """An operator at the console."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self.stub = operator_rpc.OperatorServiceStub(self._channel)

    async def __aenter__(self) -> Operator:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def activate(self, folder: Path, **options: bool) -> None:
        request = op.ActivateModelRequest(bundle_path=str(folder), **options)
        await self.stub.ActivateModel(request, timeout=90)

    async def rollback(self) -> None:
        await self.stub.ActivateModel(op.ActivateModelRequest(rollback=True), timeout=90)

    async def refused(self, folder: Path) -> str:
        """Why the bundle is refused, in words."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.activate(folder)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        return str(caught.value.details())

    async def index(self, name: str) -> float:
        answer = await self.stub.GetIndexes(op.GetIndexesRequest(), timeout=10)
        return answer.indexes[name]


def versions(answers: list[wire.RecommendResponse]) -> set[str]:
    return {part.version for answer in answers for part in answer.promise.models}


def reasons(answers: list[wire.RecommendResponse]) -> set[str]:
    return {word for answer in answers for word in answer.promise.degraded_reasons}


async def still_shipped(cars: Answers) -> bool:
    """Whether cars are answered by the models of before, all parts of them."""
    answers = await cars.more()
    return versions(answers) == {SHIPPED} and not reasons(answers)


def damaged(folder: Path, change: Callable[[Path], object]) -> Path:
    """The shipped bundle after a change."""
    shutil.copytree(BUNDLED, folder)
    change(folder)
    return folder


async def test_M1_missing_truncated_zero_and_junk_models_keep_the_last_good(
    tmp_path: Path,
) -> None:
    """Whatever is left of a file, what served still serves, now and after a restart."""
    ranker_bytes = (BUNDLED / "ranker.onnx").read_bytes()
    contents = {"truncated": ranker_bytes[:9000], "zero": b"", "junk": os.urandom(5000)}
    async with running(tmp_path) as process:
        async with Operator(process.address) as operator, asking_cars(process.address) as cars:
            gone = damaged(tmp_path / "missing", lambda at: (at / "ranker.onnx").unlink())
            assert "No such file" in await operator.refused(gone)
            for name, content in contents.items():
                bundle = model_files.write_bundle(tmp_path / name, content)
                assert "ranker.onnx" in await operator.refused(bundle)
            assert await still_shipped(cars)
            good = model_files.write_bundle(tmp_path / "good", model_files.HEALTHY)
            await operator.activate(good)
            (good / "ranker.onnx").write_bytes(b"")

        await process.kill()
        await process.start()

        async with asking_cars(process.address) as cars:
            assert versions(await cars.more()) == {"2.0.0"}


async def test_M1_zero_byte_model_at_the_first_start_leaves_the_rules(tmp_path: Path) -> None:
    """With nothing good to fall back on the rules answer, and every answer says so."""
    bundle = model_files.write_bundle(tmp_path / "zero", b"")

    async with (
        running(tmp_path, bundle=str(bundle)) as process,
        Operator(process.address) as operator,
        asking_cars(process.address) as cars,
    ):
        assert reasons(await cars.more()) == {"RANKER_MISSING"}
        told = await operator.stub.ListModels(op.ListModelsRequest(), timeout=10)
        assert told.degraded
        assert "ranker.onnx" in told.problems[0]


async def test_M2_wrong_width_name_and_dtype_are_refused_before_the_swap(tmp_path: Path) -> None:
    """A model that asks for other inputs than the port gives never serves."""
    right, mask = ranker.INPUTS
    identity = model_files.node("Identity", ["mean"], ["scores"])
    wrong = {
        "width": [Tensor("features", "float32", ["batch", "candidates", len(FEATURES) + 1]), mask],
        "name": [Tensor("feature", "float32", right.shape), mask],
        "dtype": [right, Tensor("mask", "bool", mask.shape)],
        "rank": [right, Tensor("mask", "float32", ["batch"])],
    }
    async with (
        running(tmp_path) as process,
        Operator(process.address) as operator,
        asking_cars(process.address) as cars,
    ):
        for name, inputs in wrong.items():
            first = inputs[0].name
            about = [
                model_files.node("ReduceMean", [first, "last"], ["mean"], keepdims=0),
                identity,
            ]
            graph = model_files.graph(about, inputs, ranker.OUTPUTS, [model_files.LAST])
            bundle = model_files.write_bundle(tmp_path / name, model_files.model(graph))
            assert "asked is" in await operator.refused(bundle)

        assert await still_shipped(cars)


def _link(bundle: Path, link: Callable[[Path, Path], object]) -> None:
    outside = bundle.parent / f"{bundle.name}.onnx"
    shutil.move(bundle / "ranker.onnx", outside)
    link(bundle / "ranker.onnx", outside)


async def test_M3_what_reaches_outside_of_a_bundle_is_refused_and_reported(tmp_path: Path) -> None:
    """Changed files, links, external data, and custom operators are events of security."""
    identity = model_files.node("Identity", ["mean"], ["scores"])
    outside = model_files.field(8, "far") + model_files.field(
        13, model_files.field(1, "location") + model_files.field(2, "/etc/hostname")
    )
    custom = model_files.node("Steal", ["mean"], ["scores"], domain="com.example")
    bundles = {
        damaged(tmp_path / "changed", lambda at: (at / "ranker.onnx").write_bytes(b"x")): "SHA-256",
        damaged(tmp_path / "soft", lambda at: _link(at, Path.symlink_to)): "regular file",
        damaged(tmp_path / "hard", lambda at: _link(at, Path.hardlink_to)): "hard links",
        model_files.write_bundle(
            tmp_path / "external", model_files.ranker_file([identity], [outside])
        ): "external data",
        model_files.write_bundle(
            tmp_path / "custom", model_files.ranker_file([custom])
        ): "com.example",
    }
    async with (
        running(tmp_path) as process,
        Operator(process.address) as operator,
        asking_cars(process.address) as cars,
    ):
        watch = operator.stub.Watch(op.OperatorServiceWatchRequest(kinds=["SECURITY"]), timeout=300)
        await watch.initial_metadata()
        for bundle, why in bundles.items():
            assert why in await operator.refused(bundle)
            assert why in (await watch.read()).text

        assert await still_shipped(cars)
        assert await operator.index("bundles_refused") == len(bundles)
        watch.cancel()


async def test_M3_only_a_bundle_that_a_trusted_key_signed_serves(tmp_path: Path) -> None:
    """Unsigned and wrongly signed bundles are refused; the operator's own serves."""
    pytest.importorskip("cryptography", reason="hint: pip install 'pilewise[coordinator]'")
    from coordinator.models.signature import make_key, sign

    for name in ("operator", "stranger"):
        make_key(tmp_path / f"{name}.pem", tmp_path / f"{name}.pub.pem")
    trusted = [str(tmp_path / "operator.pub.pem")]
    bundle = model_files.write_bundle(tmp_path / "new", model_files.HEALTHY)
    manifest = (bundle / "manifest.json").read_bytes()
    async with (
        running(tmp_path, allow_unsigned=False, trusted_keys=trusted) as process,
        Operator(process.address) as operator,
        asking_cars(process.address) as cars,
    ):
        assert "not signed" in await operator.refused(bundle)
        (bundle / "manifest.sig").write_bytes(sign(manifest, tmp_path / "stranger.pem"))
        assert "trusted key" in await operator.refused(bundle)
        assert await still_shipped(cars)

        (bundle / "manifest.sig").write_bytes(sign(manifest, tmp_path / "operator.pem"))
        await operator.activate(bundle)

        assert versions(await cars.more()) == {"2.0.0"}
        told = await operator.stub.ListModels(op.ListModelsRequest(), timeout=10)
        active = next(one for one in told.bundles if one.role == op.BUNDLE_ROLE_ACTIVE)
        assert active.signed_by == trusted[0]


async def test_M4_nan_weights_and_constant_models_are_refused(tmp_path: Path) -> None:
    """A model that says nothing in its golden batch never serves."""
    nan = model_files.ranker_file(
        [model_files.node("Mul", ["mean", "weight"], ["scores"])],
        [model_files.tensor("weight", np.float32(np.nan))],
    )
    async with (
        running(tmp_path) as process,
        Operator(process.address) as operator,
        asking_cars(process.address) as cars,
    ):
        bundle = model_files.write_bundle(tmp_path / "nan", nan)
        assert "not finite" in await operator.refused(bundle)
        bundle = model_files.write_bundle(tmp_path / "one", model_files.CONSTANT, run=True)
        assert "one value" in await operator.refused(bundle)
        assert await still_shipped(cars)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (model_files.NAN_LATER, "RANKER_UNAVAILABLE"),
        (model_files.CONSTANT_LATER, "RANKER_CONSTANT"),
    ],
    ids=["nan", "constant"],
)
async def test_M4_nan_and_constant_outputs_of_some_requests_are_answered_by_rules(
    tmp_path: Path, content: bytes, why: str
) -> None:
    """A model that passed and then says nothing is replaced, request by request, and it is said."""
    bundle = model_files.write_bundle(tmp_path / "later", content)
    async with (
        running(tmp_path) as process,
        Operator(process.address) as operator,
        asking_cars(process.address) as cars,
    ):
        await operator.activate(bundle)
        answers = await cars.more()
        assert reasons(answers) == {why}
        assert all(answer.promise.degraded for answer in answers)

        await operator.rollback()
        assert await still_shipped(cars)


async def test_M5_slow_model_is_refused_or_ended_and_cars_do_not_wait_for_it(
    tmp_path: Path,
) -> None:
    """A model of minutes does not pass its trial; one that is slow later is ended at its budget."""
    always = model_files.write_bundle(tmp_path / "always", model_files.ALWAYS_SLOW)
    later = model_files.write_bundle(tmp_path / "later", model_files.SLOW_LATER)
    async with (
        running(tmp_path) as process,
        Operator(process.address) as operator,
        asking_cars(process.address) as cars,
    ):
        assert "no answer within 0.1 s" in await operator.refused(always)
        assert await still_shipped(cars)

        await operator.activate(later)
        before = len(cars.took_s)
        answers = await cars.more(30)
        assert reasons(answers) == {"RANKER_UNAVAILABLE"}
        # One of them waited for the budget, the others for nothing.
        assert max(cars.took_s[before:]) < 2.0
        assert await operator.index("model_slow_runs") == 1

        told = await operator.stub.ListModels(op.ListModelsRequest(), timeout=10)
        assert [one.model.name for one in told.models if one.resting] == ["ranker"]
        await operator.rollback()
        assert await still_shipped(cars)


async def test_M6_model_that_asks_for_64_gib_takes_nothing_from_the_coordinator(
    tmp_path: Path,
) -> None:
    """The memory is not given: not to the trial, and not to a model that asks for it later."""
    always = model_files.write_bundle(tmp_path / "always", model_files.BOMB)
    later = model_files.write_bundle(tmp_path / "later", model_files.BOMB_LATER)
    async with (
        running(tmp_path) as process,
        Operator(process.address) as operator,
        asking_cars(process.address) as cars,
    ):
        assert process._process is not None
        memory = psutil.Process(process._process.pid).memory_info
        before = memory().rss
        assert "golden batch was not run" in await operator.refused(always)
        assert await still_shipped(cars)

        await operator.activate(later)
        assert reasons(await cars.more(20)) == {"RANKER_UNAVAILABLE"}
        await operator.rollback()
        assert await still_shipped(cars)
        assert memory().rss - before < 200 * 2**20
        assert process.running


async def test_M7_expired_bundle_answers_and_is_reported(tmp_path: Path) -> None:
    """What should have been replaced still serves, undegraded; list and metric say so."""
    old = model_files.write_bundle(
        tmp_path / "old", model_files.HEALTHY, expires_at="2026-01-01T00:00:00Z"
    )
    async with (
        running(tmp_path, bundle=str(old)) as process,
        Operator(process.address) as operator,
        asking_cars(process.address) as cars,
    ):
        answers = await cars.more()
        assert versions(answers) == {"2.0.0"}
        assert reasons(answers) == set()
        assert await operator.index("models_expired") == 1
        told = await operator.stub.ListModels(op.ListModelsRequest(), timeout=10)
        assert [bundle.expired for bundle in told.bundles] == [True]

        request = op.ActivateModelRequest()
        await operator.stub.ActivateModel(request, timeout=90)
        assert await operator.index("models_expired") == 0
        assert await still_shipped(cars)


async def test_M7_swaps_under_load_drop_no_request_and_mix_no_models(tmp_path: Path) -> None:
    """Every request is answered while bundles come and go, each by the models of one bundle."""
    other = model_files.write_bundle(tmp_path / "other", model_files.HEALTHY)
    async with (
        running(tmp_path) as process,
        Operator(process.address) as operator,
        asking_cars(process.address) as cars,
    ):
        await operator.activate(other)
        started = time.monotonic()
        for swap in range(12):
            await operator.rollback()
            seen = versions(await cars.more(2))
            assert seen == {SHIPPED if swap % 2 == 0 else "2.0.0"}

        assert time.monotonic() - started < 60
        assert all(len(versions([answer])) == 1 for answer in cars.told)
        assert reasons(cars.told) == set()
