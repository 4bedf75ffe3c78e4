"""What is known of a pile as a device, who said so, and where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from edge_agent.config_file import load_config
from edge_agent.core.clock import DomainClock
from edge_agent.core.facts import ConnectorFacts, PileFacts, located
from edge_agent.core.occupancy import FusionRules
from edge_agent.core.picture import LivePicture
from edge_agent.core.reading import Record, RecordKind
from edge_agent.host_clock import HostClock
from edge_agent.uplink.codec import to_facts
from edge_agent.uplink.spool import Spool
from edge_agent.watch import Watch
from pilewise.v1 import types_pb2 as types

AC = ConnectorFacts("IEC_62196_T2", "AC_3_PHASE", 22.0)
DC = ConnectorFacts("GBT_DC", "DC", 120.0)
HERE = (22.5400, 114.0500)
NEAR = (22.5415, 114.0500)  # 167 m north
FAR = (22.5420, 114.0500)  # 222 m north
AT_MS = 1_790_000_000_000


def pile(**more: object) -> PileFacts:
    return PileFacts("A-01", "A", (AC,), **more)  # type: ignore[arg-type]


class Offered:
    """Takes what would go into the spool."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def offer(self, records: list[Record]) -> None:
        self.records += records


def watch(facts: PileFacts) -> tuple[Watch, Offered, list[PileFacts]]:
    rules = {evse_id: FusionRules() for evse_id in facts.evse_ids}
    picture = LivePicture(rules, heartbeat_s=20.0, new_id=lambda: "s")
    offered, told = Offered(), list[PileFacts]()
    made = Watch(
        picture, rules, [facts], cast(Spool, offered), HostClock(DomainClock(AT_MS, 0.0, 1.0))
    )
    made.on_facts = told.append
    return made, offered, told


def test_pile_type_follows_its_plugs() -> None:
    """AC, DC, or both, and unknown without plugs."""
    piles = [PileFacts("A", "A", plugs) for plugs in ((AC,), (DC,), (AC, DC), ())]

    assert [p.pile_type for p in piles] == ["AC", "DC", "AC_AND_DC", ""]
    assert to_facts(piles[2]).pile_type == types.PILE_TYPE_AC_AND_DC


def test_bays_are_shared_out_over_the_evses() -> None:
    """Three spaces at two EVSEs are two and one; not counted means one each."""
    counted = to_facts(PileFacts("A", "A", (AC, DC), bay_count=3))
    assumed = to_facts(PileFacts("A", "A", (AC, DC)))

    assert [evse.bay_count for evse in counted.evses] == [2, 1]
    assert counted.bay_count == 3
    assert [evse.bay_count for evse in assumed.evses] == [1, 1]
    assert assumed.bay_count == 0


def test_every_configured_fact_goes_up_with_its_source(tmp_path: Path) -> None:
    """What the operator wrote is said to be so, the rest comes from the profile or by default."""
    path = tmp_path / "agent.toml"
    path.write_text(
        '[agent]\nid = "G1"\ncoordinator = "127.0.0.1:1"\ndata_dir = "data"\n'
        '[[pile]]\nuid = "A-01"\nprofile = "abb-terra-ac"\nhost = "127.0.0.1"\nserial = "S1"\n'
        'firmware = "1.8"\nbay_count = 2\ncommissioned_at = 2024-05-01T00:00:00Z\n'
        "latitude_deg = 22.54\nlongitude_deg = 114.05\n"
    )

    facts = to_facts(load_config(path).piles[0].facts)

    config = {"serial", "firmware", "bay_count", "commissioned_at", "position"}
    assert {name for name, source in facts.sources.items() if source == "config"} == config
    assert facts.label == "G1*P1"
    assert facts.sources["label"] == "default"
    assert (facts.sources["maker"], facts.sources["model"]) == ("profile", "profile")
    assert (facts.pile_type, facts.bay_count) == (types.PILE_TYPE_AC, 2)
    assert facts.commissioned_at.ToSeconds() == 1_714_521_600


def test_fix_places_a_pile_that_nobody_placed() -> None:
    """A first fix is the position; wandering by metres is not told, a real move is."""
    made, offered, told = watch(pile())

    made.fix("A-01", *HERE, AT_MS)
    made.fix("A-01", HERE[0] + 0.0001, HERE[1], AT_MS)
    made.fix("A-01", *FAR, AT_MS)
    made.fix("A-01", 0.0, 0.0, AT_MS)
    made.fix("nobody", *FAR, AT_MS)

    assert [(f.latitude_deg, f.sources["position"]) for f in told] == [
        (HERE[0], "gnss"),
        (FAR[0], "gnss"),
    ]
    assert offered.records == []


def test_fix_beyond_200_m_of_the_configured_position_raises_one_event() -> None:
    """The configured position stays; 167 m say nothing, 222 m raise one event until near again."""
    placed = pile(latitude_deg=HERE[0], longitude_deg=HERE[1], sources={"position": "config"})
    made, offered, told = watch(placed)

    for place in (NEAR, FAR, FAR, NEAR, FAR):
        made.fix("A-01", *place, AT_MS)

    assert told == []
    assert made.facts() == [placed]
    assert [(r.kind, r.detail.reason if r.detail else "") for r in offered.records] == [
        (RecordKind.EVENT, "POSITION_MISMATCH")
    ] * 2
    assert located(placed, *FAR)[0] is placed
