"""The README's results block: real numbers, real links, only between its markers."""

import pytest
from toy_profile import layout

from repro.errors import ReproError
from repro.report.documents import write_tables
from repro.report.readme import readme_block, update_readme

PAGE = "# Title\n\nwords\n\n<!-- results:begin -->\nold\n<!-- results:end -->\n\nmore words\n"


def test_block_has_the_table_and_figures_that_exist(profile, tmp_path):
    write_tables(profile, layout(), tmp_path / "results" / "tables")
    block = readme_block(profile, layout(), "results/tables")
    assert "| Plain  | 75.0 [" in block and "89.47" in block and "not run" in block
    assert "**toy**: Toy videos (not UCF101)" in block
    for name in ("table3.png", "mechanisms.png"):
        assert f"](results/tables/{name})" in block and (tmp_path / "results" / "tables" / name).is_file()
    plain = readme_block(profile, layout(datasets=[{"name": "toy", "title": "Toy"}]), "t")
    assert "mechanisms.png" not in plain and "published" not in plain.split("![")[0]


def test_only_what_lies_between_the_markers_changes(profile, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(PAGE)
    block = readme_block(profile, layout(), "results/tables")
    update_readme(readme, block)
    once = readme.read_text()
    assert once == PAGE.replace("old", block)
    update_readme(readme, block)
    assert readme.read_text() == once


@pytest.mark.parametrize(
    "text",
    [
        "no markers",
        PAGE + "<!-- results:begin -->",
        PAGE.replace("<!-- results:end -->", ""),
        "<!-- results:end --> <!-- results:begin -->",
    ],
)
def test_markers_must_stand_there_once_and_in_order(tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(ReproError, match="without the place for results"):
        update_readme(readme, "block")
    assert readme.read_text() == text
    with pytest.raises(ReproError, match="no README"):
        update_readme(tmp_path / "absent.md", "block")
