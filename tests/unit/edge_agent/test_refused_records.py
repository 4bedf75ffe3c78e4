"""Records that a coordinator refuses are counted, said without flooding the log, and examined."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from edge_agent.commands.check_outside import check_places, check_uplink
from edge_agent.config_file import load_config
from edge_agent.uplink.refusals import SAY_AGAIN_S, Refusals
from pilewise.v1 import edge_service_pb2 as edge


def ack(count: int, code: str = "DATA-003") -> edge.Ack:
    return edge.Ack(
        rejected_count=count,
        rejections=[edge.Rejection(code=code, field="evse_ids", message="no such EVSE is known")],
    )


def test_a_reason_is_said_once_an_hour_with_what_came_since() -> None:
    """Acks that refuse for one reason all day make 24 lines; another reason is said at once."""
    refusals = Refusals()
    with capture_logs() as logs:
        for second in range(0, 2 * int(SAY_AGAIN_S), 10):
            refusals.take(ack(3), float(second))
        refusals.take(edge.Ack(), 7.0)
        refusals.take(ack(1, "AUTH-001"), 8.0)

    assert [(entry["code"], entry["count"]) for entry in logs] == [
        ("DATA-003", 3),
        ("DATA-003", 1080),
        ("AUTH-001", 1),
    ]
    assert refusals.count == 2161
    assert refusals.newest == "AUTH-001 evse_ids: no such EVSE is known"


def test_doctor_names_piles_from_nowhere_and_refused_records(tmp_path: Path) -> None:
    """A pile needs a position or a station; what was refused is told with its reason."""
    homes = ("", "latitude_deg = 22.5\nlongitude_deg = 114.0\n", 'station_id = "S1"\n')
    path = tmp_path / "agent.toml"
    path.write_text(
        '[agent]\nid = "G1"\ncoordinator = "127.0.0.1:9"\ndata_dir = "data"\n'
        + "".join(
            f'[[pile]]\nuid = "A-{n}"\nprofile = "abb-terra-ac"\nhost = "127.0.0.{n + 1}"\n{home}'
            for n, home in enumerate(homes)
        )
    )
    config = load_config(path)
    status = {
        "connected": True,
        "refused": 12,
        "refused_why": "DATA-003 evse_ids: no such EVSE is known",
        "spool": {"failing": "", "records": 0},
    }

    (homeless,) = check_places(config)
    told = [finding.text for finding in check_uplink(config, status)]

    assert "A-0 has no position" in homeless.text
    assert any("refused 12 records: DATA-003 evse_ids" in text for text in told)
