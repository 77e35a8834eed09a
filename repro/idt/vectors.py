"""Fisher vectors of one video under several codebooks, and the array file they live in."""

import functools
import hashlib
from pathlib import Path

from threadpoolctl import threadpool_limits

from repro.errors import ReproError

from .arrays import read_arrays, write_arrays
from .codebook import Codebook
from .extract import Video, descriptors_of
from .features import check_origin, load_features, origin
from .fisher import encode_batches

FORMAT = "repro Fisher vectors 1"
_AGAIN = "make them again (`repro idt-fisher`)"


def encode_video(source, target, codebooks, settings):
    """Write a video's Fisher vectors under ``codebooks``, (name, path, `digest`) each: float32 arrays of these names.

    source: an array file of all its trajectories; with ``settings.keep`` "sample" the video itself, whose descriptors are then
    never all in memory, and rounded to the precision that they would be stored in. One thread: equal bytes on any number of
    processes.
    """
    video = Video(source) if settings.keep == "sample" else None
    if video:
        batches = (rows.astype(settings.precision) for rows in descriptors_of(video, settings))
    else:
        batches = [load_features(source).descriptors]
    with threadpool_limits(1, "blas"):
        vectors = encode_batches(batches, [_codebook(path, of) for _, path, of in codebooks], source)
    header = {"format": FORMAT, "codebooks": {name: of for name, _, of in codebooks}}
    header |= {"source": video.source, "frames": video.frames, "settings": settings.digest} if video else origin(source)
    write_arrays(target, header, {name: vector for (name, _, _), vector in zip(codebooks, vectors)})


def load_vector(path, name, codebook_digest, size, **expected):
    """Fisher vector (size,) float32 of a file of `encode_video` under the codebook ``name``.

    ``expected``: of `check_origin`. Raises ReproError: missing, damaged or foreign file, made by another codebook than that of
    the digest, of another video or with other settings.
    """
    header, arrays = read_arrays(path, FORMAT, names=(name,))
    check_origin(path, header, _AGAIN, **expected)
    if header.get("codebooks", {}).get(name) != codebook_digest:
        raise ReproError("Fisher vectors of another codebook", path=path, why=f"{name} is not today's", fix=_AGAIN)
    found = getattr(arrays.get(name), "shape", None)
    if found != (size,):
        raise ReproError("damaged Fisher vectors", path=path, why=f"array shape {found}, expected {(size,)}", fix=_AGAIN)
    return arrays[name]


def check_vectors(path):
    """Raise ReproError where a file of `encode_video` is missing, damaged or foreign; all of it is read."""
    read_arrays(path, FORMAT)


def digest(path):
    """SHA-256 of a codebook's file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@functools.lru_cache(maxsize=16)
def _codebook(path, _digest):
    """A worker does many videos; ``_digest``: one of a cluster outlives a codebook."""
    return Codebook.load(path)
