"""PNGs of few bytes: the picture stays what it was."""

import base64
import io

import nbformat
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from repro.report import figures
from repro.report.png import shrink_outputs, small


def png(pixels):
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()


def pixels_of(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def blocks(colours, side=8):
    """(side, side * n, 3): a square of each colour."""
    return np.repeat(np.repeat(np.array([colours], np.uint8), side, 0), side, 1)


def test_few_colours_stay_exactly_what_they_are():
    colours = [(r, g, b) for r in (0, 90, 255) for g in (10, 200) for b in (0, 128, 255)]
    content = png(blocks(colours, side=20))
    np.testing.assert_array_equal(pixels_of(small(content)), blocks(colours, side=20))


def test_many_colours_become_256_near_ones():
    # two shades of 256 in any combination, in no order: 256 cells of 16 by 16 shades are off by 4 on average
    x, y = np.random.default_rng(0).integers(0, 256, (2, 128, 128))
    shades = np.stack([x, y, (x + y) // 2], -1).astype(np.uint8)
    found = pixels_of(small(png(shades)))
    assert len(np.unique(found.reshape(-1, 3), axis=0)) <= 256
    assert np.abs(found.astype(int) - shades).mean() < 5


def test_a_picture_that_has_its_palette_or_that_one_sees_through_is_left_alone():
    once = small(png(blocks([(200, 0, 0), (0, 0, 200)], side=100)))
    assert small(once) is once
    glass = np.full((50, 50, 4), 128, np.uint8)
    assert small(content := png(glass)) is content


def test_a_saved_figure_has_a_palette_unless_told_otherwise(tmp_path):
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1, 0], color="#D55E00")
    figures.save(figure, tmp_path / "small.png")
    figures.save(figure, tmp_path / "full.png", full_colour=True)
    few, full = Image.open(tmp_path / "small.png"), Image.open(tmp_path / "full.png")
    assert few.mode == "P" and full.mode == "RGBA" and few.size == full.size
    difference = np.abs(np.asarray(few.convert("RGB"), int) - np.asarray(full.convert("RGB"), int))
    assert difference.mean() < 0.1 and (tmp_path / "small.png").stat().st_size < (tmp_path / "full.png").stat().st_size
    assert "Software" not in full.info  # no version of a library in the bytes


def test_pictures_of_a_page_are_shrunk_and_all_else_stays():
    rng = np.random.default_rng(0)
    content = png(rng.integers(0, 255, (64, 64, 3), np.uint8))
    data = {"image/png": base64.b64encode(content).decode(), "text/plain": "<Figure>"}
    output = nbformat.v4.new_output("display_data", data=data)
    printed = nbformat.v4.new_output("stream", text="as it was")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("draw()", outputs=[output, printed])])
    shrink_outputs(book)
    assert base64.b64decode(output.data["image/png"]) == small(content)
    assert output.data["text/plain"] == "<Figure>" and printed.text == "as it was"
