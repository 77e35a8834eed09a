"""``repro prepare``: from archives or a folder to videos and split lists, and from those to one index, every frame decoded."""

from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from repro.datasets import manifest
from repro.datasets.download import download as fetch
from repro.datasets.local import prepare_folder
from repro.datasets.prepare import JOURNAL, find_archives, prepare_archives
from repro.datasets.scan import LAYOUTS, build_index, check_pattern, passed_over
from repro.errors import ReproError
from repro.files import fingerprint, require
from repro.provenance import code_version
from repro.workfolder import WorkFolder

_NAMED = 3


def run(run, archives=None, local=None, splits=None, download=None, sha256=()):
    """Index ``data/<dataset>/raw/{videos,splits}`` into ``data/<dataset>/index``, after filling ``raw`` if told from where.

    ``archives``: archive files, or folders that hold the official ones. ``local``: a folder of unpacked videos and, unless
    ``splits`` names another, split lists. ``download``: addresses of archives; none of them means those of the params
    (``datasets.<dataset>.archives``). ``sha256``: ``FILE=HEX`` by archive name, beside those of the params.
    """
    dataset, settings, raw = run.dataset, run.dataset_settings, run.raw
    if splits is not None and local is None:
        raise ReproError("--splits goes with --from-local", fix="archives bring their own lists")
    known = {_file_name(archive.url): archive.sha256 for archive in settings.archives if archive.sha256}
    given = dict(_checksum(text) for text in sha256)
    checksums = known | given
    if download is not None:
        archives = [
            fetch(url, raw.with_name("archives") / _file_name(url), checksums.get(_file_name(url)))
            for url in download or _addresses(run.params, dataset, settings)
        ]
    lists = LAYOUTS[settings.layout].lists
    archives = archives and find_archives(archives, settings.layout)
    _check_named(given, archives or ())
    if archives is not None:
        ready = prepare_archives(archives, raw, checksums, lists)
    elif local is not None:
        ready = prepare_folder(local, raw, splits, lists)
        tell_passed_over(local)
    else:
        ready = None
    if ready:
        _tell(dataset, ready.manifest, raw)
    _index(run, dataset, settings, raw)


def _index(run, dataset, settings, raw):
    require(
        raw,
        "no videos of this dataset",
        f"`repro prepare {dataset} --from ARCHIVES` or `--from-local FOLDER` brings them to {raw}/videos and {raw}/splits",
    )
    if (raw / JOURNAL).exists() and not (raw / manifest.NAME).exists():
        raise ReproError("a half-unpacked folder", path=raw, fix=f"run `repro prepare {dataset} --from ...` again to finish it")
    for part in ("videos", "splits"):
        require(raw / part, f"a dataset lies at {raw}/videos and {raw}/splits", "put or link it there")
    key = fingerprint([code_version(__name__), dataset])  # the journal knows each video by itself
    decoded = run.index.with_name("decoded.jsonl")  # what is known of unchanged videos; DVC runs this stage again
    with WorkFolder("prepare", key) as work:
        journal = work.path / "journal.jsonl"
        index = build_index(
            dataset,
            settings.layout,
            raw / "videos",
            raw / "splits",
            run.machine.processes,
            settings.exclude_bad,
            journal,
            settings.group_pattern,
            decoded,
            settings.exclude_damaged,
            run.machine.video_timeout,
        )
        index.check_usable()
        if settings.group_pattern and (said := check_pattern(settings.group_pattern, list(index.table["video"]))):
            print(f"{dataset}: {said}")
        index.save(work.path / "index")
        work.publish(journal.name, decoded)
        work.publish("index", run.index)
    for split in index.splits:
        sizes = [len(index.subset(split, subset)) for subset in ("train", "test")]
        print(f"{dataset} split {split}: {sizes[0]} training, {sizes[1]} test videos")
    bad = index.table[index.table["problems"] != ""]
    doubtful = index.table[(index.table["problems"] == "") & (index.table["doubts"] != "")]
    for row in doubtful.head(_NAMED).itertuples():
        print(f"{dataset}: {row.video}: {row.doubts}")
    if len(doubtful):
        print(f"{dataset}: {len(doubtful)} videos are cut short or damaged; `exclude_damaged: true` leaves them out")
    print(
        f"{dataset}: {len(index.table)} videos, {index.table['frames'].sum()} frames, {len(bad)} with problems; "
        f"index in {run.index}"
    )


def tell_passed_over(folder):
    """Print how many files of a folder ``<class>/<video>`` are no videos by their names, and the first of them."""
    names = passed_over(folder)
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        print(f"passed over, no videos by their names: {', '.join(names[:_NAMED])}{more}")


def _tell(dataset, found, raw):
    kinds = [name.partition("/")[0] for name in found.files]
    size = sum(content.bytes for content in found.files.values())
    print(
        f"{dataset}: {kinds.count('videos')} videos and {kinds.count('splits')} split files, {size / 1e6:.1f} MB, "
        f"checksums in {raw / manifest.NAME}"
    )


def _addresses(params, dataset, settings):
    if not settings.archives:
        raise ReproError(
            f"no addresses to download {dataset} from",
            path=params.path,
            fix=f"give them after --download, or as datasets.{dataset}.archives: [{{url: ..., sha256: ...}}, ...]",
        )
    return [archive.url for archive in settings.archives]


def _checksum(text):
    name, _, value = text.rpartition("=")
    if not name or len(value) != 64 or set(value.lower()) - set("0123456789abcdef"):
        raise ReproError("not a checksum", why=repr(text), fix="write FILE=HEX with the 64 digits of its sha256")
    return name, value


def _check_named(checksums, archives):
    """A checksum of no archive would be believed to have been compared."""
    names = [path.name for path in archives]
    for name in checksums:
        if name.lower() not in map(str.lower, names):
            raise ReproError("a checksum of no archive", why=f"{name}; archives: {', '.join(names) or 'none given'}")


def _file_name(url):
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    if not name:
        raise ReproError("an address without a file name", path=url)
    return name
