"""Figures: nothing is cut off, a system looks the same everywhere and like no other, published numbers beside real data only."""

import ast
from pathlib import Path

import numpy as np
import pytest
from canvas import outside, touching
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from toy_profile import MECHANISMS, layout, score_file, videos

from repro.params import load as load_params
from repro.profile.layout import layout_of
from repro.report import class_figures, figures
from repro.report.curves import curves_figure
from repro.report.matrix_figure import matrix_figure
from repro.report.measured import load

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = sorted(path.parent for path in (ROOT / "results").glob("*/tables"))
PARAMS = sorted((ROOT / "params").glob("*.yaml"))
LONG = "A system whose title is a good deal longer than most, number"


def test_what_is_cut_off_is_found():
    figure = Figure(figsize=(2, 2), layout="constrained")
    axes = figure.subplots()
    axes.set_title("fits")
    assert outside(figure) == []
    axes.set_title("a title that does not fit into two inches of paper")
    assert len(outside(figure)) == 1
    figure = Figure(figsize=(2, 2), layout="constrained")
    figure.legend(handles=figure.subplots().plot([0, 1], label="a legend that does not fit into two inches of paper"))
    assert outside(figure)


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda path: path.name)
def test_nothing_of_a_committed_figure_is_cut_off(folder):
    shown = layout_of(load_params(ROOT / "params" / f"{folder.name}.yaml"))
    results = load(folder, shown)
    drawn = [figures.table3_figure(results), figures.table4_figure(results), figures.mechanisms_figure(results)]
    drawn += [matrix_figure(results)]
    drawn += [curves_figure(folder, dataset, shown) for dataset in shown.datasets]
    longest = max(results.cells.values(), key=lambda cell: len(cell.system.title) + len(cell.dataset.title))
    drawn.append(figures.confusion_figure(longest))
    assert [outside(figure) for figure in drawn if figure is not None and outside(figure)] == []
    assert [touching(figure) for figure in drawn if figure is not None and touching(figure)] == []


def test_labels_that_touch_are_found():
    figure = Figure(figsize=(3, 2), layout="constrained")
    axes = figure.subplots()
    axes.set_xticks(range(3), ["one", "two", "three"])
    assert touching(figure) == []
    axes.set_xticks(range(3), ["one of a long kind", "two of a long kind", "three"])
    assert ("one of a long kind", "two of a long kind") in touching(figure)


def test_titles_are_wrapped_into_few_lines_of_nearly_one_length():
    title = "Diagnostic benchmark in UCF101's layout (not UCF101)"
    assert figures.wrapped(title, 44) == "Diagnostic benchmark in\nUCF101's layout (not UCF101)"
    assert figures.wrapped("", 44) == ""
    assert figures.wrapped(title, 60) == title and figures.wrapped("a" * 25, 10) == "a" * 10 + "\n" + "a" * 10 + "\n" + "a" * 5


@pytest.mark.parametrize("colours", ["Blues", "RdBu"])
def test_numbers_are_read_on_every_colour_of_a_matrix(colours):
    """Contrast by WCAG 2: the ratio of both relative luminances, 0.05 added to each."""

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    image = Figure().subplots().imshow([[0.0]], cmap=colours, vmin=0, vmax=100)
    for value in range(101):
        two = sorted(luminance(colour) + 0.05 for colour in (image.cmap(value / 100)[:3], figures.ink_on(image, value)))
        assert two[1] / two[0] > 3.8


def test_nothing_is_cut_off_with_many_systems_of_long_titles(tmp_path):
    systems = [{"name": f"system{i}", "title": f"{LONG} {i}", "table4": f"{LONG} {i}"} for i in range(24)]
    toy = layout(systems=systems, claims={})
    for split in (1, 2, 3):
        for i in range(23):
            score_file(tmp_path, f"system{i}", split, videos(split), np.arange(8) < i % 9)
    results = load(tmp_path, toy)
    for draw in (figures.table3_figure, figures.table4_figure, figures.mechanisms_figure):
        figure = draw(results)
        assert outside(figure) == touching(figure) == [], draw.__name__
    assert len({figures.style(toy, system) for system in toy.systems}) == 24
    assert outside(figures.confusion_figure(results.get("toy", "system5"))) == []


def functions(files, called):
    """{function: names in it} of the functions in ``files`` that call ``called``."""
    found = {}
    for path in files:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                parts = list(ast.walk(node))
                names = {part.id for part in parts if isinstance(part, ast.Name)}
                if called in names:
                    found[node.name] = names | {part.attr for part in parts if isinstance(part, ast.Attribute)}
    return found


def test_of_every_function_that_makes_a_figure_one_is_looked_at():
    looked_at = set().union(*functions((ROOT / "tests" / "report").glob("test_*.py"), "outside").values())
    makers = set()
    for path in (ROOT / "repro" / "report").glob("*.py"):
        for name in functions([path], "Figure"):
            makers |= set(functions([path], name)) if name.startswith("_") else {name}
    assert len(makers) > 25 and makers - looked_at == set()


def test_a_system_looks_alike_in_every_profile_and_like_no_other():
    seen = {}
    for path in PARAMS:
        shown = layout_of(load_params(path))
        styles = {system.name: figures.style(shown, system) for system in shown.systems}
        assert len(set(styles.values())) == len(styles), path.name
        for name, style in styles.items():
            assert seen.setdefault(name, style) == style, (path.name, name)
    assert len(set(seen.values())) == len(seen)


def test_every_system_of_the_profiles_has_a_style_of_its_own_and_no_style_is_of_none():
    shown = {system.name for path in PARAMS for system in layout_of(load_params(path)).systems}
    assert sorted(figures._KNOWN) == sorted(shown)


def test_styles_do_not_depend_on_the_order_of_systems():
    systems = [{"name": name, "title": name} for name in ("mine", "idt", "yours", "appearance")]
    one, other = layout(systems=systems, claims={}), layout(systems=systems[::-1], claims={})
    for system in one.systems:
        assert figures.style(one, system) == figures.style(other, system)


def test_what_was_run_on_some_splits_is_starred_and_what_has_no_scores_not_drawn(profile, tmp_path):
    score_file(profile, "absent", 1, videos(1), [True] * 8)
    results = load(profile, layout())
    for draw in (figures.table3_figure, figures.table4_figure, figures.mechanisms_figure):
        assert draw(results).legends[0].get_texts()[-1].get_text() == "* not all splits run", draw.__name__
    assert "IDT*" in [tick.get_text() for tick in figures.table4_figure(results).axes[0].get_yticklabels()]
    assert "Absent*" in [text.get_text() for text in figures.mechanisms_figure(results).legends[0].get_texts()]
    rows = class_figures.classes_figure([results.get("toy", name) for name in ("plain", "absent")]).axes[0].get_yticklabels()
    assert [tick.get_text() for tick in rows] == ["Plain", "Absent (only split 1)"]
    plain = [{"name": "plain", "title": "Plain"}]
    other = [{"name": "toy", "title": "Toy", "mechanisms": MECHANISMS}, {"name": "next", "title": "Next"}]
    score_file(tmp_path / "other", "plain", 1, videos(1), [True] * 8, dataset="next")
    assert figures.mechanisms_figure(load(tmp_path / "other", layout(datasets=other, systems=plain, claims={}))) is None
    alone = [{"name": "toy", "title": "Toy", "systems": ["plain"]}]  # as trajectories alone
    assert figures.table3_figure(load(profile, layout(datasets=alone, systems=plain, claims={}))) is None


def test_published_diamonds_stand_beside_real_data_only(profile):
    def diamonds(figure):
        return [line for axes in figure.axes for line in axes.lines if line.get_marker() == "D" and line.get_mfc() == "white"]

    beside, alone = layout(), layout(datasets=[{"name": "toy", "title": "Toy"}])
    for draw, count in ((figures.table3_figure, 2), (figures.table4_figure, 12)):
        assert len(diamonds(draw(load(profile, beside)))) == count
        figure = draw(load(profile, alone))
        assert diamonds(figure) == [] and "published" not in figure.legends[0].get_texts()[-1].get_text()
    for path in PARAMS:
        params = load_params(path)
        for name, settings in params.get("datasets").items():
            assert name not in (params.get("embedded") or {}) or not settings.get("stands_beside"), (path.name, name)
