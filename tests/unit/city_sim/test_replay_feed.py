"""Reading a feed: what it says, and what is told of a file that cannot be used."""

from pathlib import Path

import pytest
from small_feed import BEGIN_S, HOUR_S, at, small_feed

from city_sim.replay.feed import FeedInvalid, read_feed, read_plugs
from city_sim.replay.network import KINDS, network
from city_sim.replay.timeline import AVAILABLE, NOBODY_KNOWS, OCCUPIED

HEADER = "connector_id,state,start,end\n"


def test_feed_is_read_zipped_or_not(tmp_path: Path) -> None:
    """The same states come of a zipped file and of a plain one, each plug in its order."""
    made = small_feed(tmp_path, days=1)
    plugs = read_plugs(made.connectors, tuple(KINDS))
    plain = made.cut(tmp_path, 0.0, 24.0, "plain.csv")

    zipped, unzipped = read_feed(made.intervals, plugs), read_feed(plain, plugs)

    assert (zipped.from_s, zipped.to_s) == (BEGIN_S, BEGIN_S + 24 * HOUR_S)
    for one, other in zip(zipped.lines, unzipped.lines, strict=True):
        assert one.starts.tolist() == other.starts.tolist()
        assert one.states.tolist() == other.states.tolist()
    assert zipped.lines[0].state(BEGIN_S) == AVAILABLE
    assert zipped.lines[0].state(BEGIN_S - 1.0) == NOBODY_KNOWS


def test_network_has_a_station_a_site_and_a_pile_a_post(tmp_path: Path) -> None:
    """Plugs of one address are one station, plugs of one post one pile, each an EVSE."""
    made = small_feed(tmp_path, days=1)

    net = network(read_plugs(made.connectors, tuple(KINDS)))

    assert [len(station.piles) for station in net.stations] == [1, 1, 1, 1]
    assert [len(station.piles[0].evses) for station in net.stations] == [2, 2, 1, 1]
    assert net.site.tolist() == [0, 0, 1, 1, 2, 3]
    assert len(set(net.evse_ids)) == 6


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("a1,broken,{0},{1}", "line 3, column state: 'broken' is no state"),
        ("a1,occ,soon,{1}", "line 3, column start: 'soon' is no time"),
        ("a1,occ,{1},{0}", "line 3, column end:"),
        ("zz,occ,{0},{1}", "line 3, column connector_id: 'zz' is not among the connectors"),
        ("a1,,{0},{1}", "line 3, column state: holds nothing"),
        ("a1,occ,{0},{1}", "line 3, column start: lies within the interval of line 2"),
    ],
)
def test_bad_row_of_states_is_named_with_line_and_column(
    row: str, told: str, tmp_path: Path
) -> None:
    """The first row that cannot be used is named: file, line, column, what was seen."""
    plugs = read_plugs(small_feed(tmp_path, days=1).connectors, tuple(KINDS))
    path = tmp_path / "bad.csv"
    good = f"a1,available_or_unlisted,{at(-1)},{at(1.5)}\n"
    path.write_text(HEADER + good + row.format(at(1), at(2)) + "\n")

    with pytest.raises(FeedInvalid) as raised:
        read_feed(path, plugs)

    assert str(raised.value).startswith(f"{path}, {told}")
    assert raised.value.hint


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("connector_id,type,lat\na1,CCS,53\n", "line 1, column lon: has no column lon"),
        ("connector_id,type,lat,lon\na1,CCS,53,-6\na1,CCS,53,-6\n", "line 3, column connector_id"),
        ("connector_id,type,lat,lon\na1,Schuko,53,-6\n", "line 2, column type: 'Schuko'"),
        ("connector_id,type,lat,lon\na1,CCS,north,-6\n", "line 2, column lat: 'north'"),
        ("connector_id,type,lat,lon\na1,CCS,91,-6\n", "line 2, column lat: 91 is outside"),
        ("connector_id,type,lat,lon\na1,CCS,nan,-6\n", "line 2, column lat: nan is outside"),
    ],
)
def test_bad_row_of_connectors_is_named_with_line_and_column(
    text: str, told: str, tmp_path: Path
) -> None:
    """A connector that cannot be placed or plugged in is told with its line and column."""
    path = tmp_path / "connectors.csv"
    path.write_text(text)

    with pytest.raises(FeedInvalid) as raised:
        read_plugs(path, tuple(KINDS))

    assert str(raised.value).startswith(f"{path}, {told}")


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    """A missing file, one cut short and an empty one each have their words."""
    made = small_feed(tmp_path, days=1)
    plugs = read_plugs(made.connectors, tuple(KINDS))
    half = tmp_path / "half.csv.gz"
    half.write_bytes(made.intervals.read_bytes()[:200])
    empty = tmp_path / "empty.csv"
    empty.write_text(HEADER)

    for path, told in ((tmp_path / "no.csv", "no such file"), (half, "not read"), (empty, "holds")):
        with pytest.raises(FeedInvalid, match=told):
            read_feed(path, plugs)


def test_own_car_does_not_block_itself(tmp_path: Path) -> None:
    """Without the car that took a plug it stays free; any other car's time there stands."""
    made = small_feed(tmp_path, days=1)
    plugs = read_plugs(made.connectors, tuple(KINDS))
    line = read_feed(made.intervals, plugs).lines[0]
    came, other = line.taken_at().tolist()[:2]

    assert line.state(came) == OCCUPIED
    assert line.state_without(came, came) == AVAILABLE
    assert line.state_without(other, came) == OCCUPIED
