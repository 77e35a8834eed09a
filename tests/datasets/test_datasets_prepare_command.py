"""`repro prepare` as users call it: archives in the official nesting, everything that can be wrong, kills, downloads."""

import multiprocessing
import os
import re
import resource
import signal
import time
from pathlib import Path

import pytest
import rar4
import yaml
from builders import files_under, rar_of, tar_of, zip_of

from repro import cli
from repro.datasets import download, prepare, probes
from repro.datasets.doctor import doctor_data
from repro.datasets.index import DatasetIndex
from repro.datasets.manifest import Manifest, content_of
from repro.datasets.scan import LAYOUTS, Layout
from repro.datasets.splits import ListedVideo, SplitLists

CSV = re.compile(r"split\d\.csv")  # of a layout that only a test knows: file, class, subset
DATASETS = {name: {"title": name, "layout": name} for name in ("ucf101", "hmdb51", "jhmdb")}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project; the working directory for the rest of the test."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_params()
    return folder


def write_params(**changes):
    datasets = {name: settings | changes for name, settings in DATASETS.items()}
    params = {"profile": "toy", "datasets": datasets, "engine": {"processes": 1}}
    with open("params.yaml", "w") as file:
        yaml.safe_dump(params, file)


@pytest.fixture
def refused(project, capsys):
    """Run `repro prepare` that must fail with one line; returns the line."""

    def run(*arguments):
        capsys.readouterr()
        assert run_prepare(*arguments) == 2
        out, err = capsys.readouterr()
        lines = [line for line in err.splitlines() if " gone, " not in line and line != "\x1b[A"]  # but for progress
        assert len(lines) == 1 and lines[0].startswith("repro prepare: ") and "Traceback" not in err, err
        return lines[0]

    return run


def run_prepare(*arguments):
    return cli.main(["prepare", *map(str, arguments)])


def ucf101_archives(folder, videos, splits):
    folder.mkdir()
    rar_of(folder / "UCF101.rar", files_under(videos, "UCF-101/"))
    return zip_of(folder / "UCF101TrainTestSplits-RecognitionTask.zip", files_under(splits, "ucfTrainTestlist/")).parent


def jhmdb_archives(folder, videos, lists):
    folder.mkdir()
    tar_of(folder / "JHMDB_video.tar.gz", [(f"ReCompress_Videos/{name}", data) for name, data in videos])
    tar_of(folder / "sub_splits.tar.gz", [("sub_splits/climb_test_split1.txt", b"a.avi 1\n")])  # beside the official ones
    return tar_of(folder / "splits.tar.gz", [(f"splits/{name}", data) for name, data in lists]).parent


@pytest.fixture
def archives(tmp_path, ucf101, hmdb51, hmdb51_archives):
    """{dataset: folder with its official archives, in their official nesting}."""
    return {
        "ucf101": ucf101_archives(tmp_path / "u", *ucf101),
        "hmdb51": hmdb51_archives[0].parent,
        "jhmdb": jhmdb_archives(tmp_path / "j", *hmdb51),
    }


SIZES = {"ucf101": (16, [(12, 4)] * 3), "hmdb51": (6, [(4, 2)] * 3), "jhmdb": (6, [(4, 2)] * 3)}


@pytest.mark.parametrize("dataset", DATASETS)
def test_from_official_archives_to_an_index(project, archives, dataset, capsys, monkeypatch):
    assert run_prepare(dataset, "--from", archives[dataset]) == 0
    index, (videos, sizes) = DatasetIndex.load(f"data/{dataset}/index"), SIZES[dataset]
    assert len(index.table) == videos and (index.table["problems"] == "").all() and (index.table["frames"] == 4).all()
    assert [tuple(len(index.subset(k, side)) for side in ("train", "test")) for k in (1, 2, 3)] == sizes
    assert f"{dataset} split 1: {sizes[0][0]} training, {sizes[0][1]} test videos" in capsys.readouterr().out
    manifest = Manifest.load(f"data/{dataset}/raw")
    assert len(manifest.archives) == 2 and manifest.damaged(f"data/{dataset}/raw", checksums=True) == {}
    wrong = doctor_data(f"data/{dataset}/index", prepared=f"data/{dataset}/raw").query("not ok")
    assert set(wrong["check"].str.split().str[0]) == {"videos", "classes", "split"}, "counts alone are not official"
    before = files_under(project)
    monkeypatch.setattr(probes, "probe", None)  # nothing is decoded again
    assert run_prepare(dataset) == 0 and run_prepare(dataset, "--from", archives[dataset]) == 0
    assert files_under(project) == before and not list((project / "work").iterdir())


def test_from_a_local_folder(project, ucf101):
    videos, splits = ucf101
    assert run_prepare("ucf101", "--from-local", videos.parent) == 0
    assert len(DatasetIndex.load("data/ucf101/index").table) == 16
    assert os.path.samefile("data/ucf101/raw/videos/Biking/v_Biking_g01_c01.avi", videos / "Biking/v_Biking_g01_c01.avi")


def test_part_of_a_dataset_needs_a_word(project, refused, ucf101):
    videos, splits = ucf101
    for path in sorted(videos.rglob("*_c02.avi")):
        path.unlink()
    line = refused("ucf101", "--from-local", videos, "--splits", splits)
    assert "8 of 16 listed videos are absent" in line and "exclude_bad" in line
    write_params(exclude_bad=True)
    assert run_prepare("ucf101", "--from-local", videos, "--splits", splits) == 0
    table = DatasetIndex.load("data/ucf101/index").table
    assert (table["problems"] != "").sum() == 8, "the count that score files carry and tables print"


def test_what_was_decoded_outlives_an_error_and_other_params(project, refused, ucf101, tmp_path, monkeypatch):
    """One video is bad; leaving it out, as the error says, does not decode the others again."""
    videos, splits = ucf101
    bad, notes, real = videos / "Biking/v_Biking_g01_c01.avi", tmp_path / "notes", probes.probe
    bad.write_bytes(b"no video")

    def noted(path):
        with open(notes, "a") as file:
            file.write(f"{Path(path).name}\n")
        return real(path)

    monkeypatch.setattr(probes, "probe", noted)
    assert "exclude_bad" in refused("ucf101", "--from-local", videos, "--splits", splits)
    assert len(notes.read_text().splitlines()) == 16
    write_params(exclude_bad=True)
    for _ in range(2):
        notes.write_text("")
        assert run_prepare("ucf101") == 0
        assert notes.read_text().splitlines() == [bad.name], "what failed once may have been the machine's fault"
    assert not list((project / "work").iterdir())


def test_a_source_that_is_gone_costs_nothing(project, refused, ucf101):
    """The disk that the videos lie on is not mounted: the index of before stays."""
    write_params(exclude_bad=True)
    videos, splits = ucf101
    assert run_prepare("ucf101", "--from-local", videos, "--splits", splits) == 0
    before = {name: Path("data/ucf101", name).read_bytes() for name in ("index/index.csv", "decoded.jsonl")}
    videos.rename(videos.with_name("elsewhere"))
    line = refused("ucf101")
    assert "none of the 16 videos of ucf101 can be used" in line and "No such file" in line
    assert before == {name: Path("data/ucf101", name).read_bytes() for name in before}
    videos.with_name("elsewhere").rename(videos)
    (videos / "Biking").rename(videos.with_name("Biking"))
    line = refused("ucf101")
    assert "1 of the 2 classes of ucf101 have no video that can be used, the first is: Biking" in line


def test_prepare_without_a_source(refused, ucf101):
    assert "missing input: data/ucf101/raw" in (line := refused("ucf101")) and "--from-local" in line
    assert "--splits goes with --from-local" in refused("ucf101", "--splits", ucf101[1])
    assert "did you mean `ucf101`" in refused("ucf10", "--from", ucf101[0])


def test_bad_archives(refused, archives, project, tmp_path):
    good = archives["ucf101"] / "UCF101.rar"
    lists = archives["ucf101"] / "UCF101TrainTestSplits-RecognitionTask.zip"
    assert "missing archive" in refused("ucf101", "--from", tmp_path / "UCF101.rar", lists)
    assert "missing archive" in refused("ucf101", "--from", archives["hmdb51"])
    wrong = refused("ucf101", "--from", good, lists, "--sha256", f"UCF101.rar={'0' * 64}")
    assert "wrong checksum of an archive" in wrong and content_of(good).sha256 in wrong
    assert "not a checksum" in refused("ucf101", "--from", good, "--sha256", "UCF101.rar=12")
    write_params(archives=[{"url": "http://127.0.0.1:9/UCF101.rar", "sha256": "1" * 64}])
    assert "wrong checksum of an archive" in refused("ucf101", "--from", good, lists), "params know checksums too"
    write_params()
    cut = zip_of(tmp_path / "cut.zip", [("Biking/a.avi", bytes(9000))])
    cut.write_bytes(cut.read_bytes()[:-30])
    assert "damaged or truncated archive" in refused("ucf101", "--from", cut, lists)
    evil = tar_of(tmp_path / "evil.tar.gz", [("Biking/../../../evil.avi", b"x")])
    assert "outside the target" in refused("ucf101", "--from", evil, lists)
    link = tmp_path / "link.rar"
    link.write_bytes(rar4.archive(rar4.member("Biking/a.avi", b"/etc/passwd", 0o120777)))
    assert "link or a device" in refused("ucf101", "--from", link, lists)
    assert not (project / "data").exists() and not list(tmp_path.rglob("evil.avi"))


def edited(name, change):
    def edit(splits):
        (splits / name).write_text(change((splits / name).read_text()))

    return edit


CLIP = "Biking/v_Biking_g01_c01.avi"
LISTS = {
    "missing file": (lambda splits: (splits / "testlist03.txt").unlink(), r"missing split file: .*testlist03\.txt"),
    "in two": (
        edited("testlist02.txt", lambda text: f"{text}\n{CLIP}"),
        r"in both train and test: .*testlist02\.txt:5 .*Biking_g01_c01",
    ),
    "in none": (
        lambda splits: [
            edited(path.name, lambda text: "\n".join(line for line in text.splitlines() if CLIP not in line))(splits)
            for path in splits.glob("*list*")
        ],
        r"a video is in no split: .*Biking_g01_c01\.avi",
    ),
}


@pytest.mark.parametrize("damage, told", LISTS.values(), ids=LISTS)
def test_split_lists_that_do_not_fit(refused, ucf101, tmp_path, damage, told):
    damage(ucf101[1])
    assert re.search(told, refused("ucf101", "--from", ucf101_archives(tmp_path / "a", *ucf101)))


def test_archives_in_an_archive_that_hold_no_lists(project, refused, ucf101, tmp_path):
    """What archives within an archive hold is known once they are unpacked: such a folder is not called finished."""
    inner = zip_of(tmp_path / "Biking.zip", files_under(ucf101[0]))
    outer = zip_of(tmp_path / "all.zip", [("Biking.zip", inner.read_bytes())])
    assert "no split lists in the archives" in refused("ucf101", "--from", outer)
    assert not (project / "data/ucf101/raw/manifest.json").exists()


def test_killed_in_the_middle_of_unpacking(project, archives, refused, monkeypatch):
    real = prepare._Unpacking._write

    def slow(*arguments, **options):
        done = real(*arguments, **options)
        time.sleep(0.2)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(prepare._Unpacking, "_write", slow)
        child = multiprocessing.get_context("fork").Process(target=run_prepare, args=("hmdb51", "--from", archives["hmdb51"]))
        child.start()
        deadline = time.monotonic() + 60
        while len(list(project.rglob("*.avi"))) < 4:  # the second of two inner archives
            assert child.is_alive() and time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    raw = project / "data/hmdb51/raw"
    kept = {path: path.stat().st_mtime_ns for path in raw.glob("videos/climb/*.avi")}
    assert len(kept) == 3 and not (raw / "manifest.json").exists()
    assert "a half-unpacked folder" in (line := refused("hmdb51")) and "--from" in line
    assert "a half-unpacked folder" in refused("jhmdb", "--from-local", raw)
    assert run_prepare("hmdb51", "--from", archives["hmdb51"]) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "finished files are not written again"
    assert len(DatasetIndex.load("data/hmdb51/index").table) == 6
    assert sorted(path.name for path in raw.iterdir()) == ["manifest.json", "splits", "videos"]


def test_a_full_disk(project, archives, refused, video_bytes):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(video_bytes) - 1, limits[1]))
    try:
        line = refused("ucf101", "--from", archives["ucf101"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert re.search(r"cannot write: .*\.avi \(disk full\); make room and run again", line)
    assert not list(project.rglob("*.avi")) and not list(project.rglob("*.part"))
    assert run_prepare("ucf101", "--from", archives["ucf101"]) == 0


def test_downloads_are_resumed_and_compared(project, refused, ucf101, tmp_path, server, monkeypatch):
    whole = zip_of(tmp_path / "all.zip", files_under(ucf101[0]) + files_under(ucf101[1]))
    server.data, server.cut = whole.read_bytes(), [3000] * 7
    url, sha256 = server.url, content_of(whole).sha256
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    assert "no addresses to download ucf101 from" in refused("ucf101", "--download")
    line = refused("ucf101", "--download", url, "--sha256", f"UCF101.rar={sha256}")
    assert "download failed" in line and "what has arrived is kept" in line and not (project / "data/ucf101/raw").exists()
    write_params(archives=[{"url": url, "sha256": sha256}])
    assert run_prepare("ucf101", "--download") == 0
    assert server.sent == len(server.data) and server.asked[7] == f"bytes={7 * 3000}-"
    assert len(DatasetIndex.load("data/ucf101/index").table) == 16
    for given in (["--from", whole], ["--from-local", ucf101[0], "--splits", ucf101[1]]):
        line = refused("ucf101", *given, "--sha256", f"other.zip={sha256}")
        assert "a checksum of no archive (other.zip; archives: " in line
    assert "wrong checksum of an archive" in refused("ucf101", "--from", whole, "--sha256", f"ALL.zip={'0' * 64}")
    write_params(archives=[{"url": url, "sha256": "0" * 64}])
    assert "wrong checksum of a download" in refused("ucf101", "--download")
    assert "an address without a file name" in refused("ucf101", "--download", "http://127.0.0.1/")


def read_csv(folder):
    """CSV's lists: one file per split that is there."""
    lists = {}
    for path in sorted(Path(folder).glob("split?.csv")):
        rows = [line.split(",") for line in path.read_text().splitlines()]
        listed = (
            ListedVideo(f"{name}/{Path(file).stem}", name, subset, path, n) for n, (file, name, subset) in enumerate(rows, 1)
        )
        lists[int(path.stem[-1])] = tuple(listed)
    return SplitLists(tuple(sorted({entry.class_name for entries in lists.values() for entry in entries})), lists)


@pytest.mark.parametrize("how", ["folder", "archives"])
def test_lists_in_a_format_of_their_own_come_with_their_layout(project, tmp_path, ucf101, monkeypatch, refused, how):
    """A reader and the names of its files are all that another format takes, from folders and from archives."""
    (lists := tmp_path / "lists").mkdir()
    names = sorted(f"{path.parent.name}/{path.name}" for path in ucf101[0].rglob("*.avi"))
    table = [(*name.split("/")[::-1], "train" if n % 3 else "test") for n, name in enumerate(names)]
    (lists / "split1.csv").write_text("".join(f"{file},{name},{subset}\n" for file, name, subset in table))
    (lists / "readme.csv").write_text("no list")
    monkeypatch.setitem(LAYOUTS, "csv", Layout(read_csv, (".avi",), lambda video: "", CSV))
    monkeypatch.setitem(DATASETS, "csv", {"title": "CSV", "layout": "csv"})
    write_params()
    if how == "folder":
        places = ("--from-local", ucf101[0], "--splits", lists)
    else:
        places = ("--from", zip_of(tmp_path / "videos.zip", files_under(ucf101[0], "v/")))
        assert "no split lists in the archives" in (line := refused("csv", *places)) and CSV.pattern in line
        places = (*places, zip_of(tmp_path / "lists.zip", files_under(lists, "l/")))
    assert run_prepare("csv", *places) == 0
    index = DatasetIndex.load("data/csv/index")
    assert index.splits == (1,) and len(index.subset(1, "test")) == (len(names) + 2) // 3
    assert os.listdir("data/csv/raw/splits") == ["split1.csv"]
