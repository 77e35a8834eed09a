"""Published numbers, held against the papers' tables as transcribed beside a development checkout, and
against sums by hand."""

import re

import pytest

from repro.published import MARKS, PUBLISHED, ST_RESNET, TABLE4_ROWS, Published, find


def test_the_papers_table_3_and_4_by_hand():
    assert find("UCF101", "Two-Stream", "Table 3").value == 89.47
    assert find("HMDB51", "ST-ResNet", "Table 3").value == 65.57
    assert find("UCF101", "ST-ResNet* + IDT", "Table 4, with IDT").value == 94.6
    assert find("HMDB51", "C3D + IDT", "Table 4, with IDT").value is None
    assert find("HMDB51", "ST-ResNet", "Table 4") is None
    paper = [p for p in PUBLISHED if p.source == ST_RESNET]
    assert len(paper) == 2 * (5 + 6 + 6) and {p.mark for p in paper} == {"table"}
    assert [len(half) for half in TABLE4_ROWS] == [6, 6]
    assert sum(p.value for p in paper if p.table == "Table 3") == pytest.approx(437.03 + 291.46)


def test_every_number_has_source_and_mark_and_stands_once():
    keys = [(p.dataset, p.system, p.table, p.source) for p in PUBLISHED]
    assert len(set(keys)) == len(keys)
    assert all(p.source and p.splits and p.mark in MARKS for p in PUBLISHED)
    assert all(p.value is None or 0 < p.value < 100 for p in PUBLISHED)


def test_an_unverified_number_says_so():
    assert str(Published(66, "d", "s", "t", "source", "mem", "split 1")) == "66 (unverified)"
    assert str(find("J-HMDB", "P-CNN, annotated poses", "three splits")) == "73.7"
    assert str(find("UCF101", "Appearance", "Table 3")) == "82.29"
    assert str(find("HMDB51", "Two-Stream + LSTM", "Table 4")) == "–"
    with pytest.raises(ValueError, match="mark must be one of"):
        Published(1.0, "d", "s", "t", "source", "heard", "split 1")


def number(cell):
    return None if cell == "-" else float(cell)


def test_equal_to_the_transcription(shared_data):
    text = (shared_data.parent / "paper" / "st-resnet.md").read_text()
    cells = [re.sub(r"[*\\]", "", line).strip("| \n").split("|") for line in text[text.index("Table 3, accuracy") :].splitlines()]
    rows = [[cell.strip() for cell in line] for line in cells if len(line) > 5]
    table3 = {row[0]: [number(c) for c in row[1:]] for row in rows if row[0] in ("UCF101", "HMDB51") and len(row) == 6}
    for dataset, values in table3.items():
        order = ("Appearance", "Motion", "Two-Stream", "ST-ResNet", "ST-ResNet*")
        assert [find(dataset, system, "Table 3").value for system in order] == values
    assert len(table3) == 2
    table4 = [row for row in rows if len(row) == 7 and row[0] not in ("ConvNets", "---")]
    assert len(table4) == 6
    for row, *systems in zip(table4, *TABLE4_ROWS):
        for system, cells, table in zip(systems, (row[1:3], row[5:7]), ("Table 4", "Table 4, with IDT")):
            assert [find(d, system, table).value for d in ("UCF101", "HMDB51")] == [number(c) for c in cells], system
