"""Which motion each flow method finds, and what extracting UCF101 and HMDB51 with it costs: tables for docs/extraction.md.

python benchmarks/flow_costs.py            writes the measured tables between the marks in docs/extraction.md
"""

import json
from pathlib import Path

from repro.datasets.doctor import OFFICIAL
from repro.profile.sizes import FRAMES

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS, PAGE = ROOT / "results" / "benchmarks", ROOT / "docs" / "extraction.md"
COSTS = "<!-- costs: benchmarks/flow_costs.py -->", "<!-- end of costs -->"
FOUND = "<!-- found: benchmarks/flow_displacement.py -->", "<!-- end of found -->"
DATASETS = {name.upper(): (OFFICIAL[name].videos, FRAMES[name][0]) for name in ("ucf101", "hmdb51")}  # videos, frames of all
_AREA = 340 * 256 / (320 * 240)  # pairs were timed at 320x240 and are stored at 340x256


def read(name):
    path = BENCHMARKS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


METHODS = {
    "the authors' TV-L1, one-core kernel": ("authors", "tvl1_cpu"),
    "the authors' TV-L1, PyTorch": ("authors", "tvl1_torch"),
    "TV-L1, OpenCV": ("opencv", "tvl1"),
    "TV-L1, one-core kernel": ("opencv", "tvl1_cpu"),
    "TV-L1, PyTorch": ("opencv", "tvl1_torch"),
}


def rates(flow, job):
    """Method -> flow fields per second on 2 cores, on 16 cores, on an H100; None where nothing was measured."""
    rows = {}
    for title, (preset, name) in METHODS.items():
        cpu, gpu = (_of(flow[part], preset) for part in ("cpu", "gpu"))
        one = 1000 / (cpu[name]["cpu_ms_per_pair"] * _AREA) if name in cpu else None
        made = job.get("flow", {})
        if (preset, name) == (made.get("preset", "opencv"), made.get("backend")) and job["short_side"] == 256:
            one = job["one_process_fields_per_s"]  # decoding and writing included
        on_h100 = isinstance(flow["gpu"], dict) and "H100" in flow["gpu"]["device"]
        on_gpu = gpu.get("pairs_per_s") if name == "tvl1_torch" and on_h100 else None
        rows[title] = [one and one * cores * job.get("efficiency", 1) for cores in (2, 16)] + [on_gpu]
    return rows


def _of(part, preset):
    """What a part of flow_tvl1.json (a mapping, or "not measured") says of a preset."""
    if not isinstance(part, dict):
        return {}
    return part if preset == "opencv" else part.get(preset, {})


def table(flow, job, store):
    """Markdown lines."""
    size = store["layouts"]["container, quality 95/95"]["bytes_per_frame"]
    lines = ["| dataset | method | 2 cores | 16 cores | one H100 |", "| --- | --- | --- | --- | --- |"]
    for dataset, (videos, frames) in DATASETS.items():
        lines += [
            f"| {dataset} | {method} | " + " | ".join(_time(frames - videos, rate) for rate in each) + " |"
            for method, each in rates(flow, job).items()
        ]
    sizes = ", ".join(f"{dataset} {frames * size / 1e9:.0f} GB" for dataset, (_, frames) in DATASETS.items())
    counts = "; ".join(
        f"{name.upper()} {frames:,} ({source})" for name, (frames, source) in FRAMES.items() if name.upper() in DATASETS
    )
    basis = (
        f"with an efficiency of {job['efficiency']:.2f} on {job['processes']} processes"
        if job
        else "as if cores were as fast together as alone (the job's efficiency was not measured)"
    )
    return [
        *lines,
        "",
        f"From rates measured on one core ({flow['cpu']['device']}), {basis}; 16 cores are extrapolated.",
        f"Containers at quality 95/95: {sizes}. Frames: {counts}.",
    ]


def _time(fields, rate):
    if rate is None:
        return "not measured"
    hours = fields / rate / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


FINDERS = {
    "tvl1_cpu, opencv": "TV-L1, `preset: opencv`",
    "tvl1_cpu, authors": "TV-L1, `preset: authors`",
    "dis": "DIS",
    "farneback": "Farnebäck",
}


def found(measured):
    """Markdown lines: the fastest motion of a square that each method finds, and its residual on real clips."""
    sizes = list(next(iter(measured["made_motion"].values()))["share_within_half_px"])
    lines = [
        f"| method | {' | '.join(f'{size} px' for size in sizes)} | UCF101: residual | fastest tenth | over 8 px "
        "| J-HMDB: residual | core ms per pair | fields per second |",
        "| --- |" + " --- |" * (len(sizes) + 6),
    ]
    real, other = measured["real_ucf101"], measured["real_jhmdb"]
    for name, title in {"no motion": "no flow", **FINDERS}.items():
        fastest, costs = ["-"] * len(sizes), ["-", "-"]
        if name in FINDERS:
            shares = measured["made_motion"][name]["share_within_half_px"]
            fastest = [_fastest(shares[size]) for size in sizes]
            time = measured["time"][name]
            costs = [f"{time['cpu_ms_per_pair']:.0f}", f"{time['times_fields_per_second']:.1f} times"]
        row = real[name]
        lines.append(
            f"| {title} | {' | '.join(fastest)} | {row['residual_grey_levels']:.2f} | {row['residual_of_the_fastest_tenth']:.1f} "
            f"| {100 * row['share_over_8_px']:.1f} % | {other[name]['residual_grey_levels']:.2f} | {' | '.join(costs)} |"
        )
    floor, device = measured["floor"], measured["device"]
    return [
        *lines,
        "",
        "Columns in px: textured squares of that size move over another texture. The number is the fastest motion, in px per",
        "frame, up to which the method finds all of them within half a pixel. Residual: grey levels between a frame and the next",
        f"one warped back, {real['pairs']} pairs of UCF101 and {other['pairs']} of J-HMDB, all at {measured['size']}.",
        "Over 8 px: share of pixels with more flow than that.",
        f"Times: one core ({device}), methods in alternation; fields per second relative to `tvl1_cpu` with OpenCV's preset.",
        f"The authors' inner iterations take {floor['inner_iterations_times_floor']:.1f} times, a whole pair",
        f"{floor['pair_times_floor']:.1f} times as long as the arithmetic of the iterations alone would.",
    ]


def _fastest(shares):
    """The last distance before the first that is not always found."""
    last = "0"
    for distance, share in shares.items():
        if share < 1:
            break
        last = distance
    return last


def page(text):
    """``text`` of the page with today's tables."""
    costs = table(read("flow_tvl1"), read("extract_job"), read("store_layouts"))
    for (begin, end), lines in ((COSTS, costs), (FOUND, found(read("flow_displacement")))):
        head, rest = text.split(begin)
        text = head + "\n".join([begin, *lines, end]) + rest.split(end)[1]
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
