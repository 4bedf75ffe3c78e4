"""A tape holds what was said in the order of time, and reads back with its bad lines told."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from firmware_sim.bench.tape.differences import Differences, compared
from firmware_sim.bench.tape.framing import RtuFraming
from firmware_sim.bench.tape.intervals import read_connectors, turns
from firmware_sim.bench.tape.modbus_cut import FrameCutter
from firmware_sim.bench.tape.replay_modbus import RecordedDevice
from firmware_sim.bench.tape.tape import Entry, TapeWriter, read_tape
from firmware_sim.errors import TapeError


def entries(path: Path) -> tuple[list[Entry], list[tuple[int, str]]]:
    bad: list[tuple[int, str]] = []
    return list(read_tape(path, lambda number, why: bad.append((number, why)))), bad


@pytest.mark.parametrize("name", ["said.jsonl", "said.jsonl.gz"])
def test_tape_reads_back_what_was_written(tmp_path: Path, name: str) -> None:
    """Entries keep their time, protocol, pile, way and data, packed or not."""
    now = iter([100.0, 101.5, 103.25])
    with TapeWriter(tmp_path / name, lambda: next(now)) as tape:
        tape.note("modbus", "A-01", "to_pile", "0001", link=3)
        tape.note("mqtt", "", "from_pile", "é", topic="pilewise/bay/x")

    read, bad = entries(tmp_path / name)

    assert bad == []
    assert [(e.t_s, e.proto, e.link, e.data, e.topic) for e in read] == [
        (1.5, "modbus", 3, "0001", ""),
        (3.25, "mqtt", 0, "é", "pilewise/bay/x"),
    ]


def test_bad_lines_are_told_with_their_numbers_and_passed_over(tmp_path: Path) -> None:
    """One damaged line does not cost the rest of the tape."""
    path = tmp_path / "t.jsonl"
    with TapeWriter(path) as tape:
        tape.note("ocpp", "A-01", "from_pile", "[]")
        tape.note("ocpp", "A-01", "from_pile", "[1]")
    lines = path.read_text().splitlines()
    odd = '{"t_s":1,"proto":"modbus","pile":"A","way":"to_pile","link":1,"data":"zz"}'
    path.write_text("\n".join([lines[0], lines[1], "{nonsense", odd, lines[2], ""]))

    read, bad = entries(path)

    assert [entry.data for entry in read] == ["[]", "[1]"]
    assert [number for number, _ in bad] == [3, 4]


def test_tape_that_was_cut_off_gives_what_it_has(tmp_path: Path) -> None:
    """A packed tape whose end is missing ends where it ends, and that is told."""
    path = tmp_path / "t.jsonl.gz"
    with TapeWriter(path) as tape:
        for number in range(2000):
            tape.note("ocpp", "A-01", "from_pile", f'[2,"{number}","Heartbeat",{{}}]')
    path.write_bytes(path.read_bytes()[:-600])

    read, bad = entries(path)

    assert 0 < len(read) < 2000
    assert len(bad) == 1


@pytest.mark.parametrize("text", ["", "{}\n", "not json\n", '{"pilewise_tape": 9}\n'])
def test_file_that_is_no_tape_is_refused(tmp_path: Path, text: str) -> None:
    """The first line says that it is a tape, and of which version."""
    path = tmp_path / "t.jsonl"
    path.write_text(text)

    with pytest.raises(TapeError, match=r"error\[REC-003\]"):
        entries(path)


def test_stream_is_cut_into_frames_however_it_arrives() -> None:
    """Byte by byte or all at once, the same frames come out; junk is kept as it is."""
    whole = bytes.fromhex("000100000006010300640001" + "000200000003018302")

    byte_by_byte = FrameCutter()
    cut = [frame for byte in whole for frame in byte_by_byte.cut(bytes((byte,)))]

    assert cut == FrameCutter().cut(whole) == [whole[:12], whole[12:]]
    assert FrameCutter().cut(b"\xff" * 9) == [b"\xff" * 9]


def test_device_answers_as_it_last_did_and_not_where_it_did_not() -> None:
    """The newest answer counts; a question that stayed unanswered stays so."""

    def said(way: str, text: str) -> Entry:
        return Entry(0.0, "modbus", "A-01", way, 1, text)

    device = RecordedDevice("A-01", "127.0.0.1:0", Differences())
    older, newer = "00010000000501030200", "00020000000501030200"
    question = "00000006010300640001"
    device.learn(said("to_pile", "0001" + question))
    device.learn(said("from_pile", older + "07"))
    device.learn(said("to_pile", "0002" + question))
    device.learn(said("from_pile", newer + "08"))
    answered = device._answer(bytes.fromhex("0009" + question))
    device.learn(said("to_pile", "0003" + question))
    device.learn(said("to_pile", "000400000006010300700001"))

    assert answered == bytes.fromhex("0009000000050103020008")
    assert device._answer(bytes.fromhex("0009" + question)) is None


def test_device_behind_a_converter_answers_with_check_sums() -> None:
    """A tape of RTU frames is replayed as RTU frames; a damaged one is no frame."""
    rtu, differences = RtuFraming(), Differences()
    ask, told = bytes.fromhex("010300640001"), bytes.fromhex("0103020007")
    device = RecordedDevice("A-01", "127.0.0.1:0", differences)
    device.learn(Entry(0.0, "modbus", "A-01", "event", 1, "open rtu"))
    device.learn(Entry(0.0, "modbus", "A-01", "to_pile", 1, rtu.join(b"", ask).hex()))
    device.learn(Entry(0.0, "modbus", "A-01", "from_pile", 1, rtu.join(b"", told).hex()))

    assert device._answer(rtu.join(b"", ask)) == rtu.join(b"", told)
    assert device._answer(rtu.join(b"", ask)[:-1] + b"x") is None
    assert differences.count == 1


def test_long_file_of_intervals_needs_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory does not grow with the file: what is over the chunk waits on the disk."""
    path, rows = tmp_path / "i.csv", 60_000
    day = "2018-11-01 00:00:00,2018-11-01 00:00:01"
    path.write_text("connector_id,state,start,end\n" + f"7,occ,{day}\n" * rows)
    monkeypatch.setattr("firmware_sim.bench.tape.intervals._CHUNK", 2_000)

    tracemalloc.start()
    found = sum(1 for _ in turns(path, {"7"}, lambda *_: None))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found == rows + 1
    assert peak_bytes < 3_000_000


def test_differences_pass_over_what_is_of_the_moment() -> None:
    """Times and transaction numbers differ in every run; statuses must not."""
    then = {"currentTime": "a", "idTagInfo": {"status": "Accepted"}, "transactionId": 1}
    now = {"currentTime": "b", "idTagInfo": {"status": "Blocked"}, "transactionId": 2}

    assert list(compared(then, now)) == ["idTagInfo.status: recorded 'Accepted', now 'Blocked'"]


INTERVALS = """connector_id,state,start,end,censored
7,occ,2018-11-01 11:00:00,2018-11-01 12:00:00,False
7,oos,2018-11-01 12:00:00,2018-11-01 13:00:00,False
3,occ,2018-11-01 10:30:00,2018-11-01 11:30:00,False
3,broken,2018-11-01 11:30:00,2018-11-01 12:30:00,False
3,occ,later,2018-11-01 12:30:00,False
3
9,occ,2018-11-01 09:00:00,2018-11-01 09:30:00,False
"""


def test_intervals_come_in_the_order_of_time_with_their_bad_lines_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the connectors asked for; sorted though the file is not, in small parts on the disk."""
    path = tmp_path / "i.csv.gz"
    path.write_bytes(gzip.compress(INTERVALS.encode()))
    monkeypatch.setattr("firmware_sim.bench.tape.intervals._CHUNK", 2)
    bad: list[int] = []

    found = list(turns(path, {"3", "7"}, lambda number, why: bad.append(number)))

    assert [(turn.connector, turn.state) for turn in found] == [
        ("3", "occ"),
        ("7", "occ"),
        ("3", "available_or_unlisted"),
        ("7", "oos"),
        ("7", "available_or_unlisted"),
    ]
    assert bad == [5, 6, 7]


def test_connectors_without_the_columns_are_refused(tmp_path: Path) -> None:
    """A wrong file is named with what it lacks."""
    path = tmp_path / "c.csv"
    path.write_text("id,kind\n1,x\n")

    with pytest.raises(TapeError, match="has no column connector_id, type"):
        read_connectors(path, 5, lambda *_: None)


def test_head_of_a_tape_is_one_line_of_json(tmp_path: Path) -> None:
    """Other programs can tell what it is without this package."""
    with TapeWriter(tmp_path / "t.jsonl"):
        pass

    head = json.loads((tmp_path / "t.jsonl").read_text().splitlines()[0])

    assert head["pilewise_tape"] == 1
    assert head["began_at"].endswith("Z")
