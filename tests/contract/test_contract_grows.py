"""The wire only grows: bytes written by the first version read the same for ever."""

from __future__ import annotations

from google.protobuf import descriptor

from pilewise.v1 import (
    bench_service_pb2,
    charging_service_pb2,
    district_service_pb2,
    edge_service_pb2,
    operator_service_pb2,
    types_pb2,
)

FILES = (
    bench_service_pb2,
    charging_service_pb2,
    district_service_pb2,
    edge_service_pb2,
    operator_service_pb2,
    types_pb2,
)
REQUEST = bytes.fromhex(
    "0a027231120545562d30371a06757365722d31220815000070423a01132d0000b0413212090000000000803640"
    "110000000000905c403d0000a0429a01027a68"
)
BATCH = bytes.fromhex(
    "0a027331100718022206412d30312a312a020000320201033a0c80d095ffbc31f4d395ffbc3142020105"
    "4a020101720d0a080000000000004a42120102a201020001aa01070a054358303033ba010f0a04080510061207"
    "5448494e4e4544"
)


def test_a_request_of_the_first_version_reads_the_same() -> None:
    """A charging request serialised by version 0.1.0 gives the same fields."""
    request = charging_service_pb2.RecommendRequest.FromString(REQUEST)

    assert (request.request_id, request.vehicle_id, request.user_id) == ("r1", "EV-07", "user-1")
    assert request.vehicle.battery_kwh == 60.0
    assert list(request.vehicle.connectors) == [types_pb2.CONNECTOR_STANDARD_GBT_DC]
    assert (request.soc_pct, request.target_soc_pct, request.language) == (22.0, 80.0, "zh")
    assert (request.position.latitude_deg, request.position.longitude_deg) == (22.5, 114.25)


def test_a_batch_of_the_first_version_reads_the_same() -> None:
    """A report batch serialised by version 0.1.0 gives the same columns, details and gaps."""
    batch = edge_service_pb2.ReportBatch.FromString(BATCH)

    assert (batch.spool_id, batch.first_record_seq, batch.record_count) == ("s1", 7, 2)
    assert list(batch.kind) == [edge_service_pb2.RECORD_KIND_STATUS, 3]
    assert list(batch.observed_at_ms) == [1_700_000_000_000, 1_700_000_000_500]
    assert list(batch.status) == [types_pb2.EVSE_STATUS_AVAILABLE, types_pb2.EVSE_STATUS_OUTOFORDER]
    assert list(batch.power_kw.values) == [0.0, 50.5]
    assert batch.power_kw.presence == b"\x02"
    assert batch.details[batch.detail_index_plus_one[1] - 1].fault_code == "CX003"
    assert (batch.gaps[0].range.first, batch.gaps[0].range.last) == (5, 6)


def test_an_unknown_enum_value_reads_without_error() -> None:
    """A status that a later version invents is kept as a number and breaks nothing."""
    batch = edge_service_pb2.ReportBatch.FromString(bytes.fromhex("420163"))

    assert list(batch.status) == [99]


def test_measured_fields_name_their_unit() -> None:
    """Every floating-point field of the contract ends in its unit, or is a share, score or rate."""
    units = {
        "deg", "s", "ms", "km", "m", "kmh", "kw", "kwh", "pct", "v", "a", "c", "micros", "days",
        "ma", "kohm",
    }  # fmt: skip
    plain = {
        "lowest_value", "highest_value", "nominal_value",
        "p50", "p90", "values", "value", "confidence", "score", "weight", "travel", "failure",
        "merged", "ranker_share", "failure_weight", "p_success", "p_working", "p_free",
        "p_breaks_off",
        "failure_rate", "prior_rate", "p_on_the_way", "p_at_pile", "p_none", "speed",
        "domain_speed", "similarity",
        "threshold", "alpha", "beta", "gamma", "theta", "edge_weights", "grade_by_hour",
        "battery_kwh", "consumption_kwh_per_km",
        "traffic_grade", "station_free_share", "expected_arrival_count",
        "people_flow_per_h", "road_facility_score", "top1_agreement", "rank_agreement",
        "score_correlation", "mean_difference",
    }  # fmt: skip
    floating = (descriptor.FieldDescriptor.TYPE_DOUBLE, descriptor.FieldDescriptor.TYPE_FLOAT)

    unnamed = [
        f"{message.full_name}.{field.name}"
        for file in FILES
        for message in file.DESCRIPTOR.message_types_by_name.values()
        if not message.GetOptions().map_entry
        for field in message.fields
        if field.type in floating
        and field.name not in plain
        and field.name.rsplit("_", 1)[-1] not in units
    ]

    assert unnamed == []
