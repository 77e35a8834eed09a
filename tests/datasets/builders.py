"""Archives of the kinds that datasets come in."""

import io
import tarfile
import zipfile

import cv2
import numpy as np
import rar4


def zip_of(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return path


def tar_of(path, files, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        folder = tarfile.TarInfo("top")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def rar_of(path, files):
    path.write_bytes(rar4.archive(*files))
    return path


MAKERS = {"zip": zip_of, "tar.gz": tar_of, "tar": lambda path, files: tar_of(path, files, "w"), "rar": rar_of}


def files_under(folder, top=""):
    return [
        (f"{top}{path.relative_to(folder).as_posix()}", path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()
    ]


def write_video(path, frames=4, size=(32, 24), seed=0):
    """An mpeg4 ``.avi`` of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"XVID"), 25, size)
    random = np.random.default_rng(seed)
    for _ in range(frames):
        writer.write(random.integers(0, 255, (size[1], size[0], 3), np.uint8))
    writer.release()
    return path
