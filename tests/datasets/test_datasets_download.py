"""Downloads from a server on this machine: whole, resumed, retried, and refused."""

import hashlib

import pytest
from cutting_server import DATA

from repro.datasets.download import download
from repro.errors import ReproError

SHA256 = hashlib.sha256(DATA).hexdigest()


def get(server, path, **options):
    return download(server.url, path, **{"sha256": SHA256, "wait": 0.01, "timeout": 5} | options)


def test_a_whole_file(server, tmp_path):
    path = get(server, tmp_path / "new" / "UCF101.rar")
    assert path.read_bytes() == DATA and [file.name for file in path.parent.iterdir()] == ["UCF101.rar"]
    get(server, path)
    assert len(server.asked) == 1, "a file that is there is not fetched again"
    path.write_bytes(b"other")
    with pytest.raises(ReproError, match="wrong checksum.*UCF101.rar"):
        get(server, path)
    assert path.read_bytes() == b"other", "a file of the user's is not deleted"


def test_dropped_connections_are_resumed(server, tmp_path):
    server.cut = [600_000, 500_000]
    assert get(server, tmp_path / "a").read_bytes() == DATA
    assert server.asked == [None, "bytes=600000-", "bytes=1100000-"] and server.sent == len(DATA)


def test_an_interrupted_download_goes_on_in_the_next_run(server, tmp_path):
    server.cut = [600_000]
    with pytest.raises(ReproError, match="download failed.*600000 of 1500000.*what has arrived is kept"):
        get(server, tmp_path / "a", attempts=1)
    assert not (tmp_path / "a").exists() and (tmp_path / "a.part").stat().st_size == 600_000
    assert get(server, tmp_path / "a").read_bytes() == DATA and server.asked[1] == "bytes=600000-"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_run_killed_between_the_last_byte_and_the_name(server, tmp_path):
    (tmp_path / "a.part").write_bytes(DATA)
    (tmp_path / "a.part.etag").write_text('"\\"1\\""')
    assert get(server, tmp_path / "a").read_bytes() == DATA and server.sent == 0


@pytest.mark.parametrize("change", [{"ranges": False}, {"etag": '"2"'}, {"etag": None}, {"etag": 'W/"1"'}])
def test_the_rest_of_another_version_is_not_appended(server, tmp_path, change):
    (tmp_path / "a.part").write_bytes(b"old" * 1000)
    (tmp_path / "a.part.etag").write_text('"\\"1\\""')
    vars(server).update(change)
    assert get(server, tmp_path / "a").read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("remembered", [b"", b'"\\"1', b"\xff", b"[1]", b'"a\\r\\nX: y"', b'""', b'"\\u4e00"'])
def test_what_was_remembered_of_the_version_is_damaged(server, tmp_path, remembered):
    (tmp_path / "a.part").write_bytes(b"other")
    (tmp_path / "a.part.etag").write_bytes(remembered)
    assert get(server, tmp_path / "a").read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_part_longer_than_the_file(server, tmp_path):
    (tmp_path / "a.part").write_bytes(DATA + b"more")
    (tmp_path / "a.part.etag").write_text('"\\"1\\""')
    assert get(server, tmp_path / "a").read_bytes() == DATA


def test_no_length_and_no_checksum(server, tmp_path):
    server.length = False
    assert get(server, tmp_path / "a", sha256=None).read_bytes() == DATA


def test_busy_servers_are_asked_again(server, tmp_path):
    server.fail = [503, 429, 500]
    assert get(server, tmp_path / "a").read_bytes() == DATA
    server.fail = [503] * 3
    with pytest.raises(ReproError, match="download failed.*3 attempts.*503"):
        get(server, tmp_path / "b", attempts=3)


def test_refusals_are_final(server, tmp_path):
    server.fail = [404]
    with pytest.raises(ReproError, match="the server refused.*404"):
        get(server, tmp_path / "a")
    assert len(server.asked) == 1
    with pytest.raises(ReproError, match="not an http address"):
        download("file:///etc/passwd", tmp_path / "a")


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(ReproError, match="wrong checksum of a download.*is " + SHA256):
        get(server, tmp_path / "a", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_no_server(tmp_path):
    with pytest.raises(ReproError, match="download failed.*refused"):
        download("http://127.0.0.1:9/a", tmp_path / "a", attempts=2, wait=0.01)
