"""What an ONNX file would do, read from its bytes before any runtime sees it.

Walks the protobuf of `ModelProto` just far enough to find tensors kept outside the file and
operators from outside the standard. onnxruntime would open such files: a hard link is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator

# Operator domains of the standard; anything else is custom code.
STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
_MOST_DEPTH = 16

# Field numbers of onnx.proto.
_MODEL_GRAPH, _MODEL_OPSET, _MODEL_FUNCTION = 7, 8, 25
_GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_SPARSE = 1, 5, 15
_NODE_ATTRIBUTE, _NODE_DOMAIN, _FUNCTION_NODE = 5, 7, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14
_OPSET_DOMAIN = 1
_SPARSE_VALUES, _SPARSE_INDICES = 1, 2


class NotOnnx(ValueError):
    """The bytes are not an ONNX model, or one with something forbidden; says what."""


class NotSafe(NotOnnx):
    """The model would reach outside of its own bytes; says how."""


def check(content: bytes) -> None:
    """Raises `NotOnnx` for anything but a self-contained model of standard operators."""
    if not content:
        raise NotOnnx("the file is empty")
    graphs = 0
    for field, value in _fields(memoryview(content)):
        if field == _MODEL_GRAPH:
            graphs += 1
            _graph(_message(value), 0)
        elif field == _MODEL_OPSET:
            for inner, word in _fields(_message(value)):
                if inner == _OPSET_DOMAIN:
                    _domain(word)
        elif field == _MODEL_FUNCTION:
            for inner, node in _fields(_message(value)):
                if inner == _FUNCTION_NODE:
                    _node(_message(node), 0)
    if graphs != 1:
        raise NotOnnx("there is no graph in it")


def _graph(graph: memoryview, depth: int) -> None:
    if depth > _MOST_DEPTH:
        raise NotOnnx("its graphs are nested too deeply")
    for field, value in _fields(graph):
        if field == _GRAPH_NODE:
            _node(_message(value), depth)
        elif field == _GRAPH_TENSOR:
            _tensor(_message(value))
        elif field == _GRAPH_SPARSE:
            _sparse(_message(value))


def _sparse(sparse: memoryview) -> None:
    for field, value in _fields(sparse):
        if field in (_SPARSE_VALUES, _SPARSE_INDICES):
            _tensor(_message(value))


def _node(node: memoryview, depth: int) -> None:
    for field, value in _fields(node):
        if field == _NODE_DOMAIN:
            _domain(value)
        elif field == _NODE_ATTRIBUTE:
            for inner, part in _fields(_message(value)):
                if inner in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
                    _tensor(_message(part))
                elif inner in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                    _graph(_message(part), depth + 1)


def _tensor(tensor: memoryview) -> None:
    for field, value in _fields(tensor):
        if field == _TENSOR_EXTERNAL or (field == _TENSOR_LOCATION and value == 1):
            raise NotSafe("its weights lie outside the file (external data)")


def _domain(value: int | memoryview) -> None:
    domain = bytes(_message(value)).decode("utf-8", "replace")
    if domain not in STANDARD_DOMAINS:
        raise NotSafe(f"it needs operators of {domain!r}, which are not standard")


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise NotOnnx("a field has the wrong type")
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Fields of a protobuf message: number, and a varint or the bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        field, wire = key >> 3, key & 7
        if wire == 0:
            number, at = _varint(message, at)
            yield field, number
            continue
        if wire == 2:
            size, at = _varint(message, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise NotOnnx("it is not a protobuf")
        if at + size > len(message):
            raise NotOnnx("it is cut short")
        yield field, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        number |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return number, at
        shift += 7
    raise NotOnnx("it is cut short")
