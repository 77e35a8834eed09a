"""The cost table in the documentation is the one that the measured rates give."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def costs():
    spec = importlib.util.spec_from_file_location("flow_costs", ROOT / "benchmarks" / "flow_costs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(costs):
    text = costs.PAGE.read_text()
    assert costs.page(text) == text, "run python benchmarks/flow_costs.py"


def test_hours_by_hand(costs):
    cpu = {"device": "X", **{name: {"cpu_ms_per_pair": 100.0} for name in ("tvl1", "tvl1_cpu", "tvl1_torch")}}
    job = {"flow": {"backend": "tvl1_cpu"}, "short_side": 256, "one_process_fields_per_s": 8.0, "efficiency": 0.5, "processes": 2}
    store = {"layouts": {"container, quality 95/95": {"bytes_per_frame": 10000}}}
    lines = costs.table({"cpu": cpu, "gpu": "not measured"}, job, store)
    kernel = next(line for line in lines if line.startswith("| UCF101 | TV-L1, one-core kernel"))
    hours = (27 * 3600 * 25 - 13320) / 8 / 3600  # 2 cores at half efficiency: one core's rate
    assert kernel == f"| UCF101 | TV-L1, one-core kernel | {hours / 24:.1f} days | {hours / 8:.1f} h | not measured |"
    gpu = costs.table({"cpu": cpu, "gpu": {"device": "NVIDIA H100", "pairs_per_s": 400.0}}, {}, store)
    fields = 630_000 - 6766
    assert f"| {fields / 400 / 3600:.1f} h |" in next(line for line in gpu if line.startswith("| HMDB51 | TV-L1, PyTorch"))
    slow = 2 / (0.1 * 340 * 256 / (320 * 240))  # two cores at 100 ms per pair of 320x240
    assert f"| {fields / slow / 3600:.1f} h |" in next(line for line in gpu if line.startswith("| HMDB51 | TV-L1, OpenCV"))
    assert "not measured" in gpu[-2]


def test_the_authors_preset_has_its_own_rows(costs):
    names = ("tvl1", "tvl1_cpu", "tvl1_torch")
    cpu = {"device": "X", **{name: {"cpu_ms_per_pair": 100.0} for name in names}}
    store = {"layouts": {"container, quality 95/95": {"bytes_per_frame": 10000}}}
    row = "| UCF101 | the authors' TV-L1, one-core kernel"
    assert next(line for line in costs.table({"cpu": cpu, "gpu": "not measured"}, {}, store) if line.startswith(row)) == (
        row + " | not measured | not measured | not measured |"
    )
    cpu["authors"] = {"tvl1_cpu": {"cpu_ms_per_pair": 30.0}}
    rate = 2 / (0.03 * 340 * 256 / (320 * 240))  # two cores at 30 ms per pair of 320x240
    hours = (27 * 3600 * 25 - 13320) / rate / 3600
    lines = costs.table(
        {"cpu": cpu, "gpu": {"device": "NVIDIA H100", "pairs_per_s": 1.0, "authors": {"pairs_per_s": 400.0}}}, {}, store
    )
    assert next(line for line in lines if line.startswith(row)) == row + f" | {hours:.1f} h | {hours / 8:.1f} h | not measured |"
    torch = next(line for line in lines if line.startswith("| UCF101 | the authors' TV-L1, PyTorch"))
    assert torch.endswith(f"| not measured | not measured | {(27 * 3600 * 25 - 13320) / 400 / 3600:.1f} h |")
