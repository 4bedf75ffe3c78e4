"""Any message of the contract, made from its descriptor, gets an answer to act upon."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import grpc
import pytest
from any_message import examples, messages
from google.protobuf.descriptor import MethodDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.fuzz.grpc_doors import SERVICES

# What a servicer says that understood, one way or the other.
MEANT = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNIMPLEMENTED,
}
# Those wait for agents and drives, for as long as they were asked to.
SLOW = {"GetFrames", "Command"}
METHODS = [
    method
    for name, service in SERVICES.items()
    for method in service.methods
    if name != "grpc/bench"
    and not (method.client_streaming or method.server_streaming or method.name in SLOW)
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A coordinator of its own; it has to end in order after all that."""
    folder = tmp_path_factory.mktemp("any")
    config = folder / "coordinator.toml"
    data = json.dumps(str(folder / "data"))
    config.write_text(f'[coordinator]\ndistrict = "any"\ndata_dir = {data}\n')
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "coordinator", "-c", str(config), "--log-level", "warning"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["grpc"]
        process.terminate()
        assert process.wait(30) == 0
        assert "Traceback" not in (folder / "log").read_text()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def answer(address: str, method: MethodDescriptor, raw: bytes) -> grpc.StatusCode:
    """The status of one call on a connection of its own."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options) as channel:
        call = channel.unary_unary(path, _registered_method=True)
        try:
            call(raw, timeout=15)
        except grpc.RpcError as error:
            return error.code()  # type: ignore[no-any-return, attr-defined]
    return grpc.StatusCode.OK


@pytest.mark.slow
@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_message_is_answered_in_words_of_the_contract(
    address: str, data: st.DataObject
) -> None:
    """No message of any call ends in UNKNOWN, INTERNAL, or silence."""
    method = data.draw(st.sampled_from(METHODS), label="method")
    message = data.draw(messages(method.input_type), label="message")

    assert answer(address, method, message.SerializeToString()) in MEANT
