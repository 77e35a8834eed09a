"""The page of all results: its data by hand, what it may not hold, and its controls in a browser and in Node."""

import itertools
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import chromium
from toy_profile import layout, score_file

from repro import cli
from repro.evaluation.comparison import read_systems
from repro.report import comparison, explore
from repro.report.measured import load
from repro.stages.verdicts import profiles

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CLASSES = ("amber", "teal", "plum", "<script>")
TITLES = {"a": "Plain </script><b>bold</b>", "b": "Better", "part": "First split alone", "absent": "Absent"}
# of amber, teal, plum and <script> two videos each
RIGHTS = {"a": ([1, 1, 1, 0, 0, 0, 1, 1], [1] * 8), "b": ([1] * 8, [1] * 8), "part": ([0] * 8,)}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explored") / "toy_profile"
    for system, splits in RIGHTS.items():
        for split, rights in enumerate(splits, start=1):
            names = [f"{name}/{split}_{i} & <i>" for name in CLASSES for i in range(2)]
            score_file(folder, system, split, names, rights, classes=CLASSES, kind="fused" if system == "b" else "scores")
    datasets = [
        {"name": "toy", "title": "Toy videos (not UCF101)", "splits": [1, 2], "stands_beside": "UCF101"},
        {"name": "other", "title": "Not run", "splits": [1, 2]},
    ]
    systems = [{"name": name, "title": title} for name, title in TITLES.items()]
    parts = {"st_resnet": "b", "late_fusion": "a", "st_resnet_star": "b", "appearance": "a", "motion": "a"}
    toy = layout(datasets=datasets, systems=systems, claims=parts)
    return load(folder, toy)


@pytest.fixture(scope="module")
def view(results):
    return json.loads(json.dumps(explore.view("demo", results, results.layout.datasets[0])))


def test_accuracies_by_hand(view):
    a, b, part, absent = view["systems"]
    assert view["title"] == "Toy videos (not UCF101)" and view["splits"] == [1, 2] and view["classes"] == list(CLASSES)
    assert a["accuracy"]["text"].startswith("81.2 [") and a["accuracy"]["at"][0] == 81.25  # 5 of 8, 8 of 8
    assert a["per_split"] == ["62.5", "100.0"]
    assert b["accuracy"]["text"] == "100.0 [80.6, 100.0]"  # Wilson: 16 / (16 + 1.96 ** 2)
    assert part["accuracy"]["text"].endswith("(only split 1)") and part["per_split"] == ["0.0", "not run"]
    assert absent["accuracy"] is None and absent["taken"] is None and absent["classes"] is None


def test_classes_and_confusions_by_hand(view):
    a, _, part, _ = view["systems"]
    assert [c["right"] for c in a["classes"]] == ["4 of 4", "3 of 4", "2 of 4", "4 of 4"]
    assert [c["at"][0] for c in a["classes"]] == [100.0, 75.0, 50.0, 100.0]
    assert a["classes"][0]["text"] == "100.0 [51.0, 100.0]"  # Wilson: 4 / (4 + 1.96 ** 2)
    # one teal is taken for amber, both of plum for `<script>`
    assert a["confusions"] == [
        [0, 0, 4, "100.0"], [3, 3, 4, "100.0"], [1, 1, 3, "75.0"], [2, 2, 2, "50.0"], [2, 3, 2, "50.0"], [1, 0, 1, "25.0"]
    ]  # fmt: skip
    assert [c["right"] for c in part["classes"]] == ["0 of 2"] * 4


def test_a_class_counts_per_split(tmp_path):
    """One of one, one of three: the mean over splits is two thirds, of all videos it is a half."""
    names = (["amber/x", "teal/x"], ["amber/a", "amber/b", "amber/c", "teal/y"])
    for split, rights in ((1, [1, 1]), (2, [1, 0, 0, 1])):
        score_file(tmp_path, "a", split, names[split - 1], rights)
    datasets = [{"name": "toy", "title": "Toy", "splits": [1, 2]}]
    toy = layout(datasets=datasets, systems=[{"name": "a", "title": "A"}], claims={})
    found = explore.view("demo", load(tmp_path, toy), toy.datasets[0])
    amber, teal, first, _ = found["systems"][0]["classes"]
    assert (amber["at"][0], amber["right"], teal["right"], first) == (66.67, "2 of 4", "2 of 2", None)
    assert found["differences"] == [[None]] and found["axes"]["difference"] == ["-10 0 20 10", "-10 to 10"]


def test_videos_by_hand(view):
    assert len(view["videos"]) == 16 and view["videos"][3] == [1, "teal/1_1 & <i>", 1]
    a, b, part, _ = (system["taken"] for system in view["systems"])
    assert a == [0, 0, 1, 0, 3, 3, 3, 3, 0, 0, 1, 1, 2, 2, 3, 3]
    assert b == [label for _, _, label in view["videos"]]
    assert part == [1, 1, 0, 0, 3, 3, 2, 2, *[None] * 8]


def test_differences_by_hand(view):
    found = view["differences"]
    assert found[1][0]["text"].startswith("18.8 [") and found[0][1]["text"].startswith("-18.8 [")
    assert found[1][0]["at"] == [-found[0][1]["at"][k] for k in (0, 2, 1)]
    # three videos change, all one way: two of 2^3 exchanges reach it; it is the largest of three p, which are adjusted by nothing
    assert float(found[1][0]["p"]) == pytest.approx(0.25, abs=0.06) and found[1][0]["adjusted"] == found[1][0]["p"]
    assert found[1][0]["verdict"] == "not shown" and any("comparisons of the page (here 3;" in note for note in view["notes"])
    # 5 of 8 against none, on the one split that both have
    assert found[0][2]["text"].startswith("62.5 [") and found[0][2]["text"].endswith("] (only split 1)")
    assert found[1][2]["text"].startswith("100.0 [") and found[3] == [None] * 4  # not run
    assert view["start"] == [1, 0]


def test_a_difference_over_some_splits_says_so(tmp_path):
    for system, rights in (("a", [1, 0]), ("b", [1, 1])):
        score_file(tmp_path, system, 1, ["amber/x", "teal/x"], rights)
    datasets, systems = [{"name": "toy", "title": "Toy", "splits": [1, 2]}], [{"name": name, "title": name} for name in "ab"]
    toy = layout(datasets=datasets, systems=systems, claims={})
    found = explore.view("demo", load(tmp_path, toy), toy.datasets[0])["differences"]
    assert re.fullmatch(r"50\.0 \[.*\] \(only split 1\)", found[1][0]["text"])


def test_differences_are_those_of_repro_compare(tmp_path):
    rights = {"a": 8, "b": 20, "c": 32, "d": 26}
    names = [f"{name}/{i}" for name in ("amber", "teal") for i in range(20)]
    for system, right in rights.items():
        score_file(tmp_path, system, 1, names, [i < right for i in range(40)])
    systems = [{"name": name, "title": name} for name in rights]
    toy = layout(datasets=[{"name": "toy", "title": "Toy", "splits": [1]}], systems=systems, claims={})
    found = explore.view("demo", load(tmp_path, toy), toy.datasets[0])["differences"]
    files = [tmp_path / "scores" / "toy" / "split1" / "seed3" / f"{name}.npz" for name in rights]
    pairs = comparison.compared(read_systems(files), draws=400)
    shown = {(earlier.title, later.title): difference for earlier, later, difference in pairs}
    for i, j in itertools.combinations(range(4), 2):
        expected = shown["abcd"[i], "abcd"[j]]
        assert found[j][i]["at"][0] == pytest.approx(100 * expected.points.value, abs=0.006)
        assert found[j][i]["adjusted"] == ("< 0.001" if expected.adjusted < 0.001 else f"{expected.adjusted:.3f}")
        assert found[j][i]["verdict"] == expected.verdict


class Parts(HTMLParser):
    """Tags with their attributes, the elements with an id (their options with them), and the texts of scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.scripts, self._select = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        if "id" in found:
            self.ids.append({"id": found["id"], "tag": tag, "options": []})
        if tag == "option":
            self.ids[-1]["options"].append([found["value"], ""])

    def handle_data(self, text):
        if self.tags and self.tags[-1][0] == "script":
            self.scripts.append(text)
            self.tags.append(("", {}))
        elif self.tags and self.tags[-1][0] == "option" and text.strip():
            self.ids[-1]["options"][-1][1] += text


def test_the_page_loads_nothing_and_names_are_text(view):
    text = explore.page([view])
    parts = Parts(text)
    kept, script = parts.scripts
    assert json.loads(kept) == [view]  # a class called <script> and a title that would close it did not end the data
    assert not set(kept) & set("<>&")
    assert script == (Path(explore.__file__).with_name("explore.js")).read_text(encoding="utf-8")
    assert [found for tag, found in parts.tags if tag == "script"] == [{"type": "application/json", "id": "data"}, {}]
    assert not {"b", "i", "img", "iframe"} & {tag for tag, _ in parts.tags}
    addresses = [value for _, found in parts.tags for name, value in found.items() if name in ("src", "href", "srcset")]
    assert addresses == ["data:,"] and "@import" not in text and "url(" not in text
    assert re.findall(r"https?://[^\s\"']*", text) == ["http://www.w3.org/2000/svg"]  # a name of SVG, not an address
    assert "innerHTML" not in script and "default-src 'none'" in text


def test_no_published_number_is_on_the_page(view):
    """The toy stands beside UCF101 in tables; the page has measured numbers only."""
    assert "published" not in json.dumps(view).lower() and "UCF101" not in json.dumps({**view, "title": ""})


DRIVER = (HERE / "explore_driver.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def views(view):
    second = {**view, "profile": "second", "title": "A second one", "start": [0, 1]}
    return [view, second]


def check_controls(told):
    """What explore_driver.js found on the page, step by step."""
    start = told["start"]
    assert start["title"] == "Toy videos (not UCF101): toy, profile demo"
    assert start["datasets"] == ["demo / toy: Toy videos (not UCF101)", "second / toy: A second one"]
    assert start["chosen"] == ["Better", TITLES["a"], "all classes"]
    assert [row[0] for row in start["systems"]] == list(TITLES.values())
    assert start["systems"][0][3:8] == ["reference", "", "", "", ""]
    assert start["systems"][1][3].startswith("18.8 [") and start["systems"][1][7] == "not shown"
    assert start["systems"][2][3].endswith("] (only split 1)") and start["systems"][3][1] == "not run"
    assert len(start["videos"]) == 16 and start["confusions"] == [] and start["pairs_hidden"]
    assert told["plain"]["confusions"] == [["plum", "<script>", "2", "50.0"], ["teal", "amber", "1", "25.0"]]
    assert told["plain"]["systems"][0][3].startswith("-18.8 [")
    assert [row[4] for row in told["lost"]["videos"]] == ["✓ right"] * 3  # wrong for the system, right for the reference
    assert [row[3] for row in told["lost"]["videos"]] == ["✗ amber", "✗ <script>", "✗ <script>"]
    assert [row[1] for row in told["class"]["videos"]] == ["plum/1_0 & <i>", "plum/1_1 & <i>"]
    assert told["class"]["confusions"] == [["plum", "<script>", "2", "50.0"]]
    assert told["class"]["matrix"][2] == ["plum", "", "", "2", "2"]
    assert told["class"]["classes"][2][1].startswith("50.0 [") and told["class"]["classes"][2][3] == "2 of 4"
    assert told["clicked"]["chosen"] == ["First split alone", "Better", "<script>"]  # by the buttons in the tables
    assert told["clicked"]["videos"] == [] and told["part"]["videos"][-1][3] == "not run"
    # of split 1 the first split alone gets nothing right, the plain system five of eight
    assert [len(told[name]["videos"]) for name in ("part_lost", "part_both", "plain_won", "plain_right")] == [5, 3, 5, 13]
    assert told["second"]["title"].startswith("A second one") and told["second"]["chosen"] == [
        "First split alone",
        "Better",
        "<script>",
    ]
    assert "class=%3Cscript%3E" in told["second"]["hash"] and "system=part" in told["second"]["hash"]
    assert told["address"]["chosen"] == [TITLES["a"], "Better", "teal"]  # an address that names a view opens it


def test_controls_in_node(views, tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    parts = Parts(explore.page(views))
    program = [f"const IDS = {json.dumps(parts.ids)}, TEXT = {json.dumps(parts.scripts[0])};"]
    program += [(HERE / "explore_dom.js").read_text(encoding="utf-8"), parts.scripts[1], DRIVER, "console.log(drive());"]
    (tmp_path / "page.js").write_text("\n".join(program), encoding="utf-8")
    done = subprocess.run([node, str(tmp_path / "page.js")], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    check_controls(json.loads(done.stdout))


def test_controls_in_a_browser(views, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(explore.page(views), encoding="utf-8")
    with chromium(tmp_path / "user") as browser:
        browser.open(page.as_uri())
        assert browser.evaluate("document.getElementById('title').textContent") == "Toy videos (not UCF101): toy, profile demo"
        told = json.loads(browser.evaluate(f"{DRIVER}\ndrive()"))
        assert browser.faults() == []
    check_controls(told)


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["explore", "--out", "page.html"]) == 2
    assert "no score files to report" in capsys.readouterr().err and not list(tmp_path.iterdir())
    (tmp_path / "params").mkdir()
    shutil.copy(ROOT / "tests" / "fixture" / "params.yaml", tmp_path / "params" / "fixture.yaml")
    shutil.copytree(ROOT / "tests" / "fixture" / "results", tmp_path / "results" / "fixture")
    assert cli.main(["explore", "--out", "results"]) == 2
    assert "not a file: results" in capsys.readouterr().err
    assert cli.main(["explore"]) == 0
    first = (tmp_path / "results" / "explore.html").read_bytes()
    u, h = json.loads(Parts(first.decode()).scripts[0])
    assert [u["title"], h["name"]] == ["Fixture in UCF101's layout: made-up scores, nothing was measured", "fixture-h"]
    assert u["pairs"]["heading"][0] == "system" and len(u["pairs"]["rows"]) == len(u["systems"])
    assert cli.main(["explore"]) == 0 and (tmp_path / "results" / "explore.html").read_bytes() == first


@pytest.mark.slow
def test_the_page_of_the_committed_results(monkeypatch):
    monkeypatch.chdir(ROOT)
    views = []
    for profile, _, found in profiles():
        metrics = json.loads(Path("results", profile, "metrics.json").read_text(encoding="utf-8"))
        for dataset in (d for d in found.layout.datasets if any(name == d.name for name, _ in found.cells)):
            views.append(explore.view(profile, found, dataset))
            run = {each["name"]: each["accuracy"]["at"][0] for each in views[-1]["systems"] if each["accuracy"]}
            assert run == metrics[dataset.name]
    assert len(explore.page(views)) < 3_000_000


def test_the_page_is_not_committed():
    assert "/results/explore.html" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
