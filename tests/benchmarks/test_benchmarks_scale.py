"""The cost of many machines, by hand from made-up rates; the document says what the script computes from the recorded ones."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import scale_cost  # noqa: E402
import scale_rehearsal  # noqa: E402

UCF101_AND_HMDB51 = 27 * 3600 * 25 + 630_000


@pytest.fixture
def rates(tmp_path):
    """On stored frames of 341x256: 9 ms of a core for the flow, 1 ms for decoding 320x240; 10 kB written, 2 kB read."""

    def write(name, **content):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))

    flow = {
        "device": "old",
        "size": "341x256",
        "tvl1_cpu": {"cpu_ms_per_pair": 90.0},
        "authors": {"tvl1_cpu": {"cpu_ms_per_pair": 9.0}},
    }
    write("flow_tvl1", cpu=flow, gpu="not measured")
    write("profiles", device="old", profiles={"any": {"prepare": {"start_s": 1, "cpu_s": 0.001, "pixels": 320 * 240}}})
    write("store_layouts", device="old", size="341x256", layouts={"container, quality 95/95": {"bytes_per_frame": 10_000}})
    write("idt_clips", device="old", size="320x240", frames_per_cpu_second=10.0, bytes_per_frame=100_000)
    clips = {
        "pixels_per_frame": 320 * 240,
        "bytes_per_frame": {"all": 1, "sample": 2000},
        "bytes_per_video_and_codebook": 400_000,
        "encoding_cpu_ms_per_frame_and_codebook": 5.0,
    }
    write("idt_storage", gaussians=256, ucf101=clips)
    disk = {"write_mb_per_s": 100.0, "read_mb_per_s": 200.0, "video_bytes_per_frame": 2000, "video_size": "320x240"}
    write("scale_rehearsal", disk=disk)
    return tmp_path


def cells(text):
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return {tuple(row[:2]): row[2:] for row in rows}


def test_work_and_machines_by_hand(rates):
    table = cells(scale_cost.tables(scale_cost.Costs(rates), 16))
    hours = UCF101_AND_HMDB51 * 0.009 / 3600  # 7.65
    row = table["UCF101 + HMDB51", "flow, the authors' preset"]
    assert row == [f"{hours:.1f}", f"{hours / 16:.2f}", f"{hours / 128:.2f}", f"{hours / 1024:.2f}", "30.6"]
    kept, sampled, fisher = (table["UCF101 + HMDB51", name] for name in (scale_cost.ALL, scale_cost.SAMPLE, scale_cost.FISHER))
    assert (
        kept[0] == sampled[0] == "85.0" and kept[4] == "306" and sampled[4] == "6.1"
    )  # a tenth of a second; 100 and 2 kB a frame
    assert (
        fisher[0] == "97.8" and fisher[4] == "24.1"
    )  # again, and 5 ms under each of three codebooks; 20,086 videos of 3 x 400 kB
    assert table["Kinetics-400", "flow, OpenCV's defaults"][0] == "1,500"  # 60 million frames, 90 ms
    one, eight = (table["UCF101 + HMDB51", count] for count in ("1", "8"))
    # 16 cores: 1600 frames/s of 10 ms; 3.2 MB/s read, 16 MB/s written; a disk of 100 MB/s bears six such machines
    assert one[:3] == ["1,600", "3.2", "16.0"] and one[3].startswith("flow (90 % of the cores' time); disk at 18 %")
    assert eight[0] == "12,800" and eight[3].startswith("disk: 1.4 times its capacity")


def test_what_nobody_measured_is_none(tmp_path):
    table = cells(scale_cost.tables(scale_cost.Costs(tmp_path), 16))
    assert set(sum(list(table.values())[2:8], [])) <= {"not measured", ""}
    assert scale_cost.rehearsal(tmp_path) == "Not measured.\n"


def test_the_document_says_what_the_script_computes(tmp_path):
    copy = tmp_path / "plan.md"
    copy.write_text((ROOT / "docs" / "plan.md").read_text())
    folder = ROOT / "results" / "benchmarks"
    scale_cost.put(copy, "cost", scale_cost.tables(scale_cost.Costs(folder), 16))
    scale_cost.put(copy, "rehearsal", scale_cost.rehearsal(folder))
    assert copy.read_text() == (ROOT / "docs" / "plan.md").read_text(), (
        "run `python benchmarks/scale_cost.py --write docs/plan.md`"
    )


def test_the_rehearsal_at_a_small_size():
    found = scale_rehearsal.start(4000)
    assert found["videos"] == 4000 and set(found["stages"]) == set(scale_rehearsal.STAGES)
    assert all(row["peak_mib"] > 10 for row in found["stages"].values())
