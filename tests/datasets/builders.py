"""Archives of the kinds that datasets come in."""

import io
import tarfile
import zipfile

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
