"""Tables by hand: what they show, where published numbers stand, what is not run, and equal bytes for equal
files."""

import csv
import io

import numpy as np
import pytest
from toy_profile import CLASSES, MECHANISMS, layout, score_file, videos

from repro.errors import ReproError
from repro.evaluation.foreign import read_npz
from repro.evaluation.fusion import fuse
from repro.evaluation.scores import Scores
from repro.report.documents import DOCUMENTS, table_text, write_tables
from repro.report.layout import DatasetLayout, ReportLayout, SystemLayout
from repro.report.measured import load
from repro.report.other_seeds import other_seed
from repro.report.tables import as_printed
from repro.report.text import p_text


def rows_of(text, heading_starts):
    """Markdown rows of the first table whose heading starts so, as lists of stripped cells."""
    lines = [line for line in text[text.index(f"| {heading_starts}") :].splitlines()]
    cells = []
    for line in lines:
        if not line.startswith("|"):
            break
        cells.append([cell.strip() for cell in line.strip("|").split("|")])
    return [cells[0], *cells[2:]]


def records(document):
    return list(csv.DictReader(io.StringIO(document.csv())))


def test_table_3_by_hand(profile):
    text = table_text(profile, layout(), "table3")
    heading, plain, better, absent = rows_of(text, "system")
    assert heading == [
        "system",
        "measured [95 %]",
        "split 1",
        "split 2",
        "split 3",
        "videos",
        "published (UCF101)",
    ]
    # 8, 6 and 4 of 8 right; 4 classes x (3 own + 1 shared) videos
    assert plain[1].startswith("75.0 [") and plain[2:] == ["100.0", "75.0", "50.0", "16", "89.47"]
    assert better == ["Better", "100.0 [80.6, 100.0]", "100.0", "100.0", "100.0", "16", "93.46"]
    assert absent == ["Absent", "not run", "not run", "not run", "not run", "", ""]
    assert "## Toy videos (not UCF101)" in text
    assert "Seed: 3." in text and "Device: cpu (Plain); cuda (Better)." in text
    assert "Protocol: whole frames." in text and "400 draws, seed 0" in text


def test_table_3_as_records(profile):
    plain, _, absent = records(DOCUMENTS["table3"](load(profile, layout())))
    assert plain["measured_percent"] == "75.0000" and plain["splits_run"] == "1 2 3" and plain["seed"] == "3"
    assert plain["published_percent"] == "89.47" and plain["published_dataset"] == "UCF101"
    assert "transcription" in plain["published_mark"] and "NIPS 2016" in plain["published_source"]
    assert float(plain["low_95"]) < 75 < float(plain["high_95"]) and plain["title"] == "Toy videos (not UCF101)"
    assert absent["measured_percent"] == "not run" and absent["published_percent"] == ""


def test_table_4_sets_ours_among_the_literature(profile):
    text = table_text(profile, layout(), "table4")
    table = {row[0]: row[1:] for row in rows_of(text, "system")}
    assert table["Two-Stream + LSTM"] == ["", "88.6"]
    assert table["**ST-ResNet\\***"] == ["100.0 [80.6, 100.0]", "93.4"]
    assert table["**IDT**"] == ["not run", "86.4"]
    assert len(table) == 1 + 12 and "(not UCF101)" in text


def test_two_systems_for_one_row_of_table_4_are_refused():
    with pytest.raises(ValueError, match="two systems for one row of Table 4, got 'IDT'"):
        ReportLayout(
            (DatasetLayout("toy", "Toy"),), tuple(SystemLayout(name, name, table4="IDT") for name in ("idt", "idt_uncompensated"))
        )


def test_notes_keep_values_and_titles_apart(profile):
    systems = [{"name": "plain", "title": "Plain, at that"}, {"name": "better", "title": "Better"}]
    for split, device in ((1, "CPU, 1 threads"), (2, "CPU, 1 threads"), (3, "GPU")):
        score_file(profile, "plain", split, videos(split), [True] * 8, device=device)
    text = table_text(profile, layout(systems=systems, claims={}), "table3")
    assert "Device: CPU, 1 thread + GPU (“Plain, at that”); cuda (Better)." in text


@pytest.mark.parametrize(
    "p, told", [(0.0004, "< 0.001"), (0.0123, "0.012"), (0.04996, "< 0.050"), (0.05, "0.050"), (0.0504, "0.050")]
)
def test_a_p_value_never_looks_as_if_it_decided_otherwise(p, told):
    assert p_text(p) == told


def test_a_published_number_never_looks_measured(profile):
    """No cell of a published column has an interval; every measured one has, or says that it was not run."""
    for name in ("table3", "table4"):
        heading, *body = rows_of(table_text(profile, layout(), name), "system")
        for row in body:
            for title, cell in zip(heading, row):
                if title.startswith("published"):
                    assert "[" not in cell
                if title.startswith("measured"):
                    assert cell == "" or cell == "not run" or "[" in cell


def test_without_published_numbers_there_is_no_such_column(profile):
    alone = layout(datasets=[{"name": "toy", "title": "Toy"}])
    for name in ("table3", "table4"):
        assert "published" not in table_text(profile, alone, name).lower()
        assert "published" not in DOCUMENTS[name](load(profile, alone)).csv()


def test_the_papers_tables_stand_alone_as_it_prints_them():
    table = {row[0]: row[1:] for row in rows_of(as_printed("Table 3"), "as printed")}
    assert table["Two-Stream"] == ["89.47", "60.59"] and table["ST-ResNet*"] == ["93.46", "66.41"] and len(table) == 1 + 5
    table = {row[0]: row[1:] for row in rows_of(as_printed("Table 4", "Table 4, with IDT"), "as printed")}
    assert table["ST-ResNet* + IDT"] == ["94.6", "70.3"] and table["C3D + IDT"] == ["90.4", "–"] and len(table) == 1 + 12


def test_jhmdb_stands_beside_its_own_literature(profile):
    own = layout(
        datasets=[{"name": "toy", "title": "Toy", "stands_beside": "J-HMDB"}],
        systems=[{"name": "plain", "title": "Plain", "table4": "Mine"}],
        claims={},
    )
    table = {row[0]: row[1:] for row in rows_of(table_text(profile, own, "table4"), "system")}
    assert table["P-CNN, annotated poses"] == ["", "73.7"]
    assert table["**Mine**"][0].startswith("75.0 [") and set(table) == {"system", "P-CNN, annotated poses", "**Mine**"}


def test_a_table_of_others_alone_is_not_written(profile, tmp_path):
    systems = [{"name": "plain", "title": "Plain"}]
    own = layout(datasets=[{"name": "toy", "title": "Toy", "stands_beside": "J-HMDB"}], systems=systems, claims={})
    assert {path.stem for path in write_tables(profile, own, tmp_path / "out")} >= {"table3"}
    assert not (tmp_path / "out" / "table4.md").exists()


def test_missing_splits_are_told_beside_the_number(profile):
    (profile / "scores/toy/split3/seed3/plain.npz").unlink()
    text = table_text(profile, layout(), "table3")
    row = rows_of(text, "system")[1]
    assert row[1].startswith("87.5 [") and row[1].endswith("(only splits 1, 2)") and row[4] == "not run"
    assert "(only splits 1, 2)" in table_text(profile, layout(), "mechanisms")
    first, *_ = records(DOCUMENTS["paired_tests"](load(profile, layout())))
    assert first["difference_points"] == "12.5000" and first["splits_run"] == "1 2"  # (100 - 100 + 100 - 75) / 2: what both ran
    assert "(only splits 1, 2)" in table_text(profile, layout(), "paired_tests")
    for split in (1, 2):
        (profile / f"scores/toy/split{split}/seed3/plain.npz").unlink()
    first, *_ = records(DOCUMENTS["paired_tests"](load(profile, layout())))
    assert first["difference_points"] == "not run"


def test_mechanisms_by_hand(profile):
    # split 1: all right; split 2: the pair (first, second) has 2 wrong of 4; split 3: none of that pair is
    # right
    plain = rows_of(table_text(profile, layout(), "mechanisms"), "system")[1]
    assert plain[1] == "100.0 [67.6, 100.0]" and plain[2].startswith("50.0 [")  # Wilson: 8 / (8 + 1.96²)
    heading = rows_of(table_text(profile, layout(), "mechanisms"), "system")[0]
    assert heading == ["system", "appearance (n = 8)", "order (n = 8)"]
    record = records(DOCUMENTS["mechanisms"](load(profile, layout())))[1]
    assert (record["mechanism"], record["percent"], record["at_chance"]) == (
        "order",
        "50.0000",
        "no",
    )  # far too few videos


def test_per_split_by_hand(profile):
    text = table_text(profile, layout(), "per_split")
    assert rows_of(text, "system")[1] == ["Plain", "100.0 / 100.0", "75.0 / 75.0", "50.0 / 50.0"]
    assert rows_of(text, "system")[0][1:] == ["split 1 (n = 8)", "split 2 (n = 8)", "split 3 (n = 8)"]


def test_paired_tests_by_hand(profile):
    heading, first, second = rows_of(table_text(profile, layout(), "paired_tests"), "first")
    # better gains 0, 2 and 4 videos: exact McNemar p = 1, 1/2, 1/8
    assert first[0] == "Better vs. Plain" and first[1].startswith("25.0 [")
    assert heading[2:5] == ["p", "adjusted p", "verdict"] and first[2] == first[3] and first[4] == "not shown"
    # videos that change: 2 of split 2 alone or shared, 4 of split 3; gains in 24ths 1, 1, 1, 1 and 2: all signs alike, 2 of 32
    assert float(first[2]) == pytest.approx(2 / 32, abs=0.04)
    assert first[5:] == ["0 : 0, 1.000", "2 : 0, 0.500", "4 : 0, 0.125"]
    assert second[:2] == ["Absent vs. Better", "not run"]
    assert "for all comparisons of the page (here 1;" in table_text(profile, layout(), "paired_tests")
    chosen = layout(comparisons=[["plain", "better"]])
    assert rows_of(table_text(profile, chosen, "paired_tests"), "first")[1][0] == "Plain vs. Better"


def test_equal_score_files_give_equal_bytes(profile, tmp_path):
    first = write_tables(profile, layout(), tmp_path / "one")
    second = write_tables(profile, layout(), tmp_path / "two")
    assert [p.name for p in first] == [p.name for p in second]
    assert {p.name for p in first} == {p.name for p in (tmp_path / "one").iterdir()}
    built = {name: build(load(profile, layout())) for name, build in DOCUMENTS.items()}
    with_rows = {name for name, document in built.items() if any(section.rows for section in document.sections)}
    assert "table3" in with_rows and not with_rows & {"ablations", "seeds", "matrix"}
    expected = {f"{name}.{ending}" for name in with_rows for ending in ("csv", "md")}
    assert expected | {
        "table3.png",
        "mechanisms.png",
        "confusion_toy_plain.png",
        "confusion_toy_better.png",
    } == {p.name for p in first}
    for a, b in zip(first, second):
        assert a.read_bytes() == b.read_bytes(), a.name
        assert not any(word in a.read_bytes() for word in (b"Software", b"tEXt", b"tIME", b"/tmp"))


def test_the_order_of_rows_and_classes_in_the_files_does_not_show(profile, tmp_path):
    texts = {name: table_text(profile, layout(), name) for name in DOCUMENTS}
    path = profile / "scores/toy/split2/seed3/plain.npz"
    scores = Scores.load(path)
    rows, columns = np.arange(8)[::-1], np.array([2, 0, 3, 1])
    Scores(
        [scores.names[r] for r in rows],
        np.argsort(columns)[scores.labels[rows]],
        [scores.classes[c] for c in columns],
        scores.heads,
        scores.scores[:, rows][:, :, columns],
        scores.header,
    ).save(path)
    assert {name: table_text(profile, layout(), name) for name in DOCUMENTS} == texts
    counts, classes = load(profile, layout()).get("toy", "plain").confusion()
    assert classes == CLASSES and counts.tolist() == [[6, 0, 0, 0], [0, 6, 0, 0], [0, 0, 4, 2], [0, 0, 4, 2]]


def test_seeds_by_hand(profile):
    # three-split means: 75 (seed 3), 100 (seed 4); the third run lacks two splits and does not count
    first = table_text(profile, layout(), "table3")
    for split in (1, 2, 3):
        score_file(profile, "plain", split, videos(split), [True] * 8, seed=4)
    score_file(profile, "plain", 1, videos(1), [False] * 8, seed=5)
    assert rows_of(table_text(profile, layout(seeds=[3, 4, 5]), "seeds"), "system")[1:] == [
        ["Plain", "87.5 ± 17.7", "2", "3: 75.0, 4: 100.0"]  # sd = 25 / sqrt 2; the others have one seed
    ]
    (record,) = records(DOCUMENTS["seeds"](load(profile, layout(seeds=[3, 4, 5]))))
    assert (record["seeds"], record["mean"], record["sd"]) == ("3 4", "87.5000", "17.6777")
    assert table_text(profile, layout(seeds=[3, 4, 5]), "table3") == first  # all other tables: the first seed
    assert rows_of(table_text(profile, layout(seeds=[4, 3]), "table3"), "system")[1][2:5] == ["100.0"] * 3
    assert not DOCUMENTS["seeds"](load(profile, layout())).sections


def test_differences_from_each_seed_by_hand(profile):
    # plain: 75 % from seed 3, 50 % from seed 4; better: 100 % from both
    for split in (1, 2, 3):
        score_file(profile, "plain", split, videos(split), [True] * 4 + [False] * 4, seed=4)
        score_file(profile, "better", split, videos(split), [True] * 8, kind="fused", seed=4)
    pairs = [["better", "plain"], ["plain", "better"], ["absent", "plain"]]
    document = DOCUMENTS["seeds"](load(profile, layout(seeds=[3, 4], comparisons=pairs)))
    _, differences = (section.rows for section in document.sections)
    assert differences == (
        ("Better vs. Plain", "+37.5 ± 17.7", 2, "3: +25.0, 4: +50.0 same sign"),
        ("Plain vs. Better", "-37.5 ± 17.7", 2, "3: -25.0, 4: -50.0 same sign"),
    )
    assert [(r["system"], r["minus"], r["per_seed"]) for r in records(document)][2:] == [
        ("better", "plain", "25.0000 50.0000"),
        ("plain", "better", "-25.0000 -50.0000"),
    ]


def test_another_seed_by_hand(profile, tmp_path):
    # on split 1, which alone the other run has: plain 100 %, then 50 %; better 100 % both times
    names = videos(1)
    score_file(tmp_path / "other", "plain", 1, names, [True] * 4 + [False] * 4, seed=4)
    score_file(tmp_path / "other", "better", 1, names, [True] * 8, seed=4)
    layouts = [layout(seeds=[seed], comparisons=[["better", "plain"], ["absent", "plain"]]) for seed in (3, 4)]
    document = other_seed(load(profile, layouts[0]), load(tmp_path / "other", layouts[1]))
    accuracies, differences = document.sections
    assert accuracies.heading[1:] == ("seed 3", "seed 4")
    assert [[cell.split(" [")[0] for cell in row] for row in accuracies.rows] == [
        ["Plain", "100.0", "50.0"],
        ["Better", "100.0", "100.0"],
    ]
    ((title, *points),) = differences.rows  # `absent` has no scores
    assert title == "Better − Plain" and [each.split(" [")[0] for each in points] == ["0.0", "50.0"]
    found = [(row["first"], row["second"], row["seed"], row["splits"], row["points"]) for row in records(document)]
    assert found[-1] == ("better", "plain", "4", "1", "50.0000") and len(found) == 6


def test_late_fusion_is_told_under_the_table(profile):
    names = videos(1)
    inputs = [score_file(profile, name, 1, names, [True] * 8) for name in ("rgb", "idt")]
    fuse(inputs, [1, 0.25], "l2", "better").save(profile / "fused/toy/split1/seed3/better.npz")
    for name in ("table3", "table4"):
        assert "Late fusion: Better = rgb + 0.25 idt (L2-normalised)." in table_text(profile, layout(), name)


THEIRS = {"imported": {"file": "c3d.csv", "sha256": "ab" * 32, "checked": "the index"}, "code_version": "foreign", "seed": None}


def test_imported_systems_are_not_claimed_and_keep_their_titles(profile):
    for split in (1, 2, 3):
        score_file(profile, "absent", split, videos(split), [True] * 8, place=3, **THEIRS)
    source = "imported from c3d.csv (sha256 abababababab), names checked against the index"
    text = table_text(profile, layout(), "table4")
    assert "| Absent (imported) " in text and "**IDT**" not in text and "**ST-ResNet\\***" in text
    assert f"Absent (imported): {source}." in text and "imported ones say so" in text
    assert "Absent (imported)" in table_text(profile, layout(), "per_split")
    named = layout(
        systems=[{"name": "plain", "title": "Plain"}, {"name": "absent", "title": "Absent", "table3": "IDT"}], claims={}
    )
    text = table_text(profile, named, "table3")
    assert "| Absent (imported) " in text and "| Plain " in text and f"Absent (imported): {source}." in text


def test_a_fusion_with_imported_scores_says_so(profile):
    names = videos(1)
    inputs = [
        score_file(profile, "rgb", 1, names, [True] * 8),
        score_file(profile, "c3d", 1, names, [True] * 8, place=3, **THEIRS),
    ]
    fuse(inputs, [1, 1], "logits", "better", {"seed": 3}).save(profile / "fused/toy/split1/seed3/better.npz")
    assert "Better = rgb + c3d (imported) (before softmax)." in table_text(profile, layout(), "table4")


def test_a_dollar_sign_in_a_name_is_drawn_as_one(tmp_path):
    odd = ("Ba$$in", "a$b", "first", "second")
    profile, names = tmp_path / "p$r", [f"{name}/{k}" for name in odd for k in (1, 2)]
    for split in (1, 2, 3):
        score_file(profile, "plain", split, names, [True] * 8, classes=odd)
    named = layout(
        datasets=[{"name": "toy", "title": "Toy $x^", "mechanisms": [{"name": "$m", "groups": [["Ba$$in", "a$b"]]}]}],
        systems=[{"name": "plain", "title": "Plain $_"}],
        claims={},
    )
    assert {path.name for path in write_tables(profile, named, tmp_path / "out")} >= {"confusion_toy_plain.png", "table3.png"}


def test_excluded_videos_are_printed(profile):
    score_file(profile, "plain", 1, videos(1), [True] * 8, excluded=2)
    assert "Excluded videos: 2." in table_text(profile, layout(), "table3")


@pytest.mark.parametrize(
    "break_it, told",
    [
        (lambda p: score_file(p, "plain", 1, videos(1), [True] * 8, kind="fused"), "the same system twice"),
        (
            lambda p: score_file(p, "plain", 2, videos(1), [True] * 8),
            "different videos, labels or classes.*split 2",
        ),
        (
            lambda p: (p / "scores/toy/split1/seed3/plain.npz").rename(p / "scores/toy/split2/seed3/plain.npz"),
            "another split.*says 1.*expected 2",
        ),
        (
            lambda p: (p / "scores/toy/split1/seed3/plain.npz").rename(p / "scores/toy/split1/seed3/absent.npz"),
            "another system.*'plain'.*expected 'absent'",
        ),
        (
            lambda p: score_file(p, "plain", 2, videos(2), [True] * 8, seed=4, place=3),
            "another seed.*seed3/plain.*says 4.*place 3",
        ),
        (
            lambda p: score_file(p, "better", 2, videos(2), [True] * 8, kind="fused", seed=[3, 4], place=3),
            "another seed.*says .3, 4.*place 3",
        ),
        (
            lambda p: score_file(p, "plain", 2, videos(2), [True] * 8, profile="paper"),
            "another profile: .*split2/seed3/plain.npz .it says 'paper', expected 'profile'",
        ),
        (lambda p: (p / "scores/toy/split1/seed3/plain.npz").write_bytes(b"junk"), "not a readable npz"),
    ],
)
def test_files_that_do_not_belong_are_refused(profile, break_it, told):
    break_it(profile)
    with pytest.raises(ReproError, match=told):
        load(profile, layout())


def test_nothing_to_report_unknown_tables_and_unknown_classes(profile, tmp_path):
    with pytest.raises(ReproError, match="no score files to report"):
        write_tables(tmp_path / "nowhere", layout(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ReproError, match="unknown table `table5`.*table3"):
        table_text(profile, layout(), "table5")
    odd = layout(datasets=[{"name": "toy", "title": "Toy", "mechanisms": [{"name": "order", "groups": [["first", "third"]]}]}])
    with pytest.raises(ReproError, match="unknown class `third`"):
        table_text(profile, odd, "mechanisms")


def test_a_mechanism_without_test_videos_is_told(tmp_path):
    for split in (1, 2, 3):
        score_file(tmp_path, "plain", split, ["amber/1", "teal/2"], [True, True])
    with pytest.raises(ReproError, match="no test video for the mechanism `order`"):
        table_text(
            tmp_path,
            layout(datasets=[{"name": "toy", "title": "Toy", "mechanisms": MECHANISMS}]),
            "mechanisms",
        )


def test_without_mechanisms_their_tables_are_left_out(profile, tmp_path):
    plain = layout(datasets=[{"name": "toy", "title": "Toy"}])
    names = {path.name for path in write_tables(profile, plain, tmp_path / "out")}
    assert not names & {"mechanisms.md", "mechanisms.png", "claims.md"} and "table3.png" in names


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"sistems": []}, "unknown key `sistems`.*did you mean `systems`"),
        ({"systems": [{"name": "a", "title": "A", "tabel3": "x"}]}, "unknown key `tabel3`.*table3"),
        ({"systems": [{"name": "a", "title": "A"}] * 2}, "names must be distinct"),
        ({"systems": []}, "at least one system"),
        ({"seeds": [1, 1]}, "seed names must be distinct"),
        ({"seeds": []}, "at least one seed"),
        ({"datasets": [{"name": "toy", "title": "Toy", "splits": []}]}, "at least one split"),
        ({"comparisons": [["plain", "worse"]]}, "unknown system, got 'worse'"),
        ({"datasets": [{"name": "toy"}]}, "missing key `title`"),
    ],
)
def test_a_broken_layout_is_refused(changes, told):
    with pytest.raises(ReproError, match=told):
        layout(**changes)


def test_published_hmdb51_scores_in_a_table(shared_data, tmp_path):
    for split in (1, 2, 3):
        path = shared_data / "scores" / f"hmdb51_split{split}.npz"
        parts = [read_npz(path, key, {"dataset": "hmdb51", "split": split, "system": key}) for key in ("rgb", "flow", "idt")]
        both = fuse(parts[:2], [1, 1.5], system="both")
        every = fuse([both, parts[2]], [0.75, 0.25], "l2", system="all")
        for scores in (*parts, both, every):
            scores.save(tmp_path / "scores" / "hmdb51" / f"split{split}" / "seed0" / f"{scores.header['system']}.npz")
    systems = [{"name": name, "title": name} for name in ("rgb", "flow", "both", "idt", "all")]
    hmdb51 = layout(datasets=[{"name": "hmdb51", "title": "HMDB51, scores of others"}], systems=systems, claims={}, seeds=[0])
    found = {r["system"]: float(r["measured_percent"]) for r in records(DOCUMENTS["table3"](load(tmp_path, hmdb51)))}
    assert found == pytest.approx({"rgb": 54.40, "flow": 65.21, "both": 71.48, "idt": 57.23, "all": 75.56}, abs=0.01)
    assert {r["videos_distinct"] for r in records(DOCUMENTS["table3"](load(tmp_path, hmdb51)))} == {"4243"}
