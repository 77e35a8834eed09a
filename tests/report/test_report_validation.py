"""Validation curves: what the last quarter brought, by hand; the table and the picture against the files."""

import numpy as np
import pytest
from canvas import outside
from toy_profile import layout

from repro.errors import ReproError
from repro.report.validation import last_quarter, rehearsed, validation, validation_figure


def curve(folder, system, accuracies, passes=2, split=1):
    path = folder / "validation" / "toy" / f"split{split}" / "seed3" / f"{system}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{10 * i},{passes * i:.2f},{value:.4f},{value:.4f}" for i, value in enumerate(accuracies, start=1)]
    path.write_text("\n".join(["step,passes,accuracy_motion,accuracy", *rows]) + "\n")
    return path


def test_what_the_last_quarter_brought(tmp_path):
    curve(tmp_path, "plain", [0.1, 0.2, 0.3, 0.3, 0.4, 0.5, 0.5, 0.6])  # passes 2 to 16: quarters of two points each
    (table,) = rehearsed(tmp_path, layout()).values()
    assert last_quarter(table) == pytest.approx((0.5 + 0.6) / 2 - (0.4 + 0.5) / 2)
    curve(tmp_path, "plain", [0.1])
    (table,) = rehearsed(tmp_path, layout()).values()
    assert np.isnan(last_quarter(table))


def test_table_and_picture_show_what_was_rehearsed(tmp_path):
    curve(tmp_path, "plain", [0.2, 0.5, 0.4, 0.4])
    curve(tmp_path, "better", [0.3], split=2)
    found = rehearsed(tmp_path, layout())
    document = validation(found, {"plain": 0.004, "better": 0.00005})
    rows = [line.split(",") for line in document.csv().splitlines()][1:]
    assert rows[0] == ["toy", "1", "3", "plain", "0.004", "8", "50.0000", "40.0000", "+0.0"]
    assert rows[1] == ["toy", "2", "3", "better", "0.00005", "2", "30.0000", "30.0000", ""]
    assert "| Plain " in document.markdown() and "for choosing a schedule, not for a results table" in document.markdown()
    figure = validation_figure(found)
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [(2, 20), (4, 50), (6, 40), (8, 40)])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Plain", "Better"] and not outside(figure)


def test_a_file_that_is_no_curve_is_named(tmp_path):
    curve(tmp_path, "plain", [0.2]).write_text("step,loss\n1,2\n")
    with pytest.raises(ReproError, match="not a validation curve.*split1/seed3/plain.csv"):
        rehearsed(tmp_path, layout())
    curve(tmp_path, "plain", [0.2]).write_text("step,passes,accuracy\n1,2,0.5\n1,2,3,4\n")  # cut or glued rows
    with pytest.raises(ReproError, match="not a validation curve.*split1/seed3/plain.csv"):
        rehearsed(tmp_path, layout())
