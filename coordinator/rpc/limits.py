"""Every limit of the gRPC server, in one place; what each does is in docs/hardening.md.

What a field may be is judged where it is read; how messages are measured is in `shape.py`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Figures of one server; tests make smaller ones."""

    # Messages.
    message_bytes: int = 4 * 1024 * 1024  # of operators, who bring whole lists
    car_message_bytes: int = 256 * 1024  # of cars and of cities
    batch_bytes: int = 256 * 1024  # of agents on their stream; rows a batch: MAX_ROWS
    text_chars: int = 256
    list_entries: int = 64
    waste_bytes: int = 4 * 1024  # of a message that mean nothing here, e.g. unknown fields
    # Time, seconds.
    unary_s: float = 10.0  # a call without a deadline
    first_message_s: float = 4.0  # from the call's header to the request of a car or a city
    first_list_s: float = 30.0  # the same of an operator, who brings whole lists
    write_s: float = 30.0  # for a reader to take one message of a stream
    # Connections.
    handshake_s: float = 5.0
    idle_s: float = 5.0  # without any call; closed after one to two times this
    age_s: float = 3_600.0  # then they are asked to come again; spread by a tenth
    age_grace_s: float = 30.0
    ping_s: float = 20.0
    ping_answer_s: float = 10.0
    ping_least_s: float = 10.0  # peers that ping more often are sent away
    metadata_bytes: int = 16 * 1024
    connections: int = 10_000  # at one address that is listened at
    connections_per_peer: int = 2_000  # from one address
    # Calls.
    streams_per_peer: int = 2_000  # a peer is an address; on loopback, a connection
    streams: int = 10_000
    strikes: int = 20  # messages that are none, from one peer, within
    strikes_s: float = 10.0  # so long; then it waits


LIMITS = Limits()

# Services whose records are judged one by one, so that a bad one costs only itself.
BY_RECORD = frozenset({"pilewise.v1.OperatorService"})

# Lists that may be longer, by the field's full name.
LONGER = {
    "pilewise.v1.VehicleProfile.charging_curve": 200,
    "pilewise.v1.VehicleProfile.connectors": 64,
}


def server_options(rng: random.Random, limits: Limits = LIMITS) -> list[tuple[str, int]]:
    """Channel arguments: dead, idle and silent connections go away; ages are spread."""
    age_ms = int(1_000 * limits.age_s * rng.uniform(0.9, 1.1))
    return [
        ("grpc.keepalive_time_ms", _ms(limits.ping_s)),
        ("grpc.keepalive_timeout_ms", _ms(limits.ping_answer_s)),
        # The time-out of the ping itself, which is what counts where the peer's kernel answers.
        ("grpc.http2.ping_timeout_ms", _ms(limits.ping_answer_s)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _ms(limits.ping_least_s)),
        ("grpc.max_connection_idle_ms", _ms(limits.idle_s)),
        ("grpc.max_connection_age_ms", age_ms),
        ("grpc.max_connection_age_grace_ms", _ms(limits.age_grace_s)),
        ("grpc.server_handshake_timeout_ms", _ms(limits.handshake_s)),
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.absolute_max_metadata_size", limits.metadata_bytes),
        ("grpc.so_reuseport", 0),
        ("grpc.max_allowed_incoming_connections", limits.connections),
    ]


def _ms(seconds: float) -> int:
    return int(1_000 * seconds)
