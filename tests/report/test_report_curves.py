"""Training curves as pictures: what is drawn against the numbers in the files."""

import numpy as np
import pytest
from toy_profile import layout

from repro.errors import ReproError
from repro.report.curves import curves_figure
from repro.report.documents import write_tables


def curve_file(folder, system, split, losses, rates, streams=("appearance",), short=0):
    path = folder / "curves" / "toy" / f"split{split}" / "seed3" / f"{system}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [["step", "learning_rate", "loss", *(f"accuracy_{s}" for s in streams), "fallback_share"]]
    for step, (loss, rate) in enumerate(zip(losses, rates)):
        rows.append([step + 1, rate, loss, *[step / len(losses)] * len(streams), short])
    path.write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")
    return path


def drawn(profile):
    return curves_figure(profile, layout().datasets[0], layout())


def test_every_run_is_a_line_and_every_drop_is_marked(tmp_path):
    rates = [0.1] * 50 + [0.01] * 30
    for split in (1, 2):
        curve_file(tmp_path, "plain", split, np.arange(80) + 100 * split, rates)
        curve_file(tmp_path, "better", split, np.ones(80), [0.1] * 80, ("appearance", "motion"))
    panels = drawn(tmp_path).axes
    assert [axes.get_title(loc="left") for axes in panels[::2]] == ["Plain", "Better"]
    solid = [[line for line in axes.lines if line.get_linestyle() == "-"] for axes in panels]
    dashed = [[line for line in axes.lines if line.get_linestyle() == "--"] for axes in panels]
    assert [len(lines) for lines in solid] == [2, 2, 2, 4]  # two splits; two streams have an accuracy each
    assert [[float(line.get_xdata()[0]) for line in lines] for lines in dashed] == [[50.5], [50.5], [], []]
    assert [text.get_text() for text in panels[0].texts] == ["0.01"]
    first = solid[0][0]  # means of two neighbours, 1/40 of 80 steps, at the later one
    np.testing.assert_allclose(first.get_xdata(), np.arange(2, 81))
    np.testing.assert_allclose(first.get_ydata(), np.arange(79) + 100.5)
    np.testing.assert_allclose(solid[3][0].get_ydata(), 100 * (np.arange(79) + 0.5) / 80)


def test_a_cosine_has_no_drop_and_every_head_has_a_line_and_a_name(tmp_path):
    rates = np.concatenate([np.linspace(0.01, 0.1, 5), 0.05 * (1 + np.cos(np.pi * np.arange(75) / 75))])
    rates = [float(f"{rate:g}") for rate in rates]  # as a curve file has them
    curve_file(tmp_path, "plain", 1, np.ones(80), rates, ("spatial", "rgb", "appearance"))
    figure = drawn(tmp_path)
    loss, accuracy = figure.axes
    assert len(loss.lines) == 1 and not loss.texts and len(accuracy.lines) == 3
    assert len({line.get_color() for line in accuracy.lines}) == 3
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told[1:4] == ["spatial head", "rgb head", "appearance head"]


def test_runs_of_one_step_are_drawn_and_none_are_left_out(tmp_path):
    assert drawn(tmp_path) is None
    curve_file(tmp_path, "plain", 1, [2.0], [0.1])
    loss, accuracy = drawn(tmp_path).axes
    (point,) = loss.lines
    assert (point.get_xdata(), point.get_ydata(), point.get_marker()) == ([1], [2], "o")
    assert loss.get_xlim()[0] < 1 < loss.get_xlim()[1] and len(accuracy.lines) == 1


@pytest.mark.parametrize("content", ["", "step,loss\n1,2\n", "step,learning_rate,loss\n1,2\n1,2,3,4\n", "no curves"])
def test_a_file_that_holds_no_curves_is_named(tmp_path, content):
    curve_file(tmp_path, "plain", 2, [2.0], [0.1]).write_text(content)
    with pytest.raises(ReproError, match="not a file of training curves.*split2/seed3/plain.csv"):
        drawn(tmp_path)


def test_the_report_writes_them(profile, tmp_path):
    curve_file(profile, "plain", 1, [2.0, 1.0], [0.1, 0.1])
    assert "curves_toy.png" in {path.name for path in write_tables(profile, layout(), tmp_path / "out")}


def test_the_table_of_training_tells_steps_accuracy_and_too_short_clips(profile, tmp_path):
    curve_file(profile, "plain", 1, np.ones(20), [0.1] * 20, short=0.25)
    curve_file(profile, "plain", 2, np.ones(40), [0.1] * 40, ("appearance", "motion"), short=0.5)
    write_tables(profile, layout(), tmp_path)
    lines = (tmp_path / "training.csv").read_text().splitlines()
    assert lines[1:] == [
        "toy,plain,1,3,20,92.5000,25.0000",  # the last two of twenty steps: 18/20 and 19/20
        "toy,plain,2,3,40,93.7500,50.0000",
    ]  # the last four of forty
    plain = next(line for line in (tmp_path / "training.md").read_text().splitlines() if line.startswith("| Plain"))
    assert [cell.strip() for cell in plain.split("|")[2:5]] == ["20; 40", "92.5; 93.8", "25.0; 50.0"]


def test_no_curves_no_table_of_training(profile, tmp_path):
    assert "training.md" not in {path.name for path in write_tables(profile, layout(), tmp_path / "out")}
