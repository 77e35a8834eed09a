"""The numbers in docs/idt.md are those of the benchmark's file."""

import json
from pathlib import Path

from repro.datasets.doctor import OFFICIAL
from repro.idt.settings import descriptor_layout
from repro.profile.sizes import FRAMES
from repro.report.text import markdown_table

ROOT = Path(__file__).resolve().parents[2]


def fidelity_table():
    """The measured fidelity as docs/idt.md shows it."""
    measured = json.loads((ROOT / "results" / "benchmarks" / "idt_fidelity.json").read_text())
    types = list(descriptor_layout())
    rows = [
        (case, f"{row['matched']} of {row['reference']}", row["found"], *(f"{row['mean_cosine'][name]:.4f}" for name in types))
        for case, row in measured.items()
        if isinstance(row, dict)
    ]
    return markdown_table(("against the release", "matched", "found", *(f"cosine {name}" for name in types)), rows)


def storage_table():
    """Measured bytes a frame, and what they come to for both datasets of the paper, three splits each."""
    measured = json.loads((ROOT / "results" / "benchmarks" / "idt_storage.json").read_text())
    kinds, rows, total = ("all", "sample"), [], [0.0, 0.0, 0.0]
    for name, row in measured.items():
        if isinstance(row, dict):
            sizes = [row["bytes_per_frame"][kind] / 1e3 for kind in kinds]
            vector = row["bytes_per_video_and_codebook"] / 1e3
            times = row["extraction_cpu_ms_per_frame"], row["encoding_cpu_ms_per_frame_and_codebook"]
            cells = (f"{row['trajectories_per_frame']:.0f}", *(f"{size:.1f}" for size in (*sizes, vector)), *map(str, times))
            rows.append((f"{row['videos']} clips of {name}, {row['frames']:,} frames", *cells))
    row = measured["ucf101"]  # for HMDB51 too: J-HMDB's clips are shorter than its, and a track takes 16 frames
    for dataset in ("ucf101", "hmdb51"):
        frames = FRAMES[dataset][0]
        sizes = [frames * row["bytes_per_frame"][kind] / 1e9 for kind in kinds]
        sizes.append(3 * OFFICIAL[dataset].videos * row["bytes_per_video_and_codebook"] / 1e9)
        total = [a + b for a, b in zip(total, sizes)]
    rows.append(("UCF101 and HMDB51, three splits, at UCF101's rates", "", *(f"{size:.0f} GB" for size in total), "", ""))
    heading = (
        "",
        "trajectories per frame",
        "`all`, kB per frame",
        "`sample`, kB per frame",
        "Fisher vector, kB per video",
        "extraction, ms per frame",
    )
    return markdown_table((*heading, "encoding under one codebook, ms per frame"), rows), total


def quantisation_table():
    levels = json.loads((ROOT / "results" / "benchmarks" / "idt_quantisation.json").read_text())["levels"]
    rows = [
        (
            count,
            f"{row['zlib_bytes_per_trajectory']}",
            f"{row['lzma_bytes_per_trajectory']}",
            f"{row['cosine_least']:.3f} to {row['cosine_most']:.3f}",
        )
        for count, row in levels.items()
    ]
    return markdown_table(
        ("levels", "zlib, bytes per trajectory", "LZMA, bytes per trajectory", "cosine of Fisher vectors"), rows
    )


def shown(name):
    """What docs/idt.md has between the marks of a table."""
    text = (ROOT / "docs" / "idt.md").read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->\n", f"\n<!-- {name}:end -->"
    return text[text.index(begin) + len(begin) : text.index(end)]


def test_measured_fidelity_in_the_docs_is_the_benchmarks():
    assert shown("fidelity") == fidelity_table()


def test_measured_storage_in_the_docs_is_the_benchmarks():
    table, (whole, sample, vectors) = storage_table()
    assert shown("storage") == table
    assert sample + vectors < 60 < whole  # GB; what the profiles of both datasets are set for


def test_the_sizes_between_the_tables_follow_from_them():
    text = " ".join((ROOT / "docs" / "idt.md").read_text(encoding="utf-8").split())
    _, (whole, _, _) = storage_table()
    columns = max(part.stop for part in descriptor_layout().values())
    numbers = 2 * 256 * columns // 2  # means and variances of 256 Gaussians on half the dimensions
    assert f"{numbers:,} numbers in single precision" in text and f"half precision's {2 * columns} bytes per trajectory" in text
    measured = json.loads((ROOT / "results" / "benchmarks" / "idt_storage.json").read_text())
    for row in (part for part in measured.values() if isinstance(part, dict)):
        assert 1 <= row["bytes_per_video_and_codebook"] / (4 * numbers) < 1.01
    assert round(whole / 60) == 7 and "to fit into 60 GB they would have to shrink to about a seventh" in text


def test_measured_quantisation_in_the_docs_is_the_benchmarks():
    assert shown("quantisation") == quantisation_table()
