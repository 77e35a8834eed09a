"""Fetch a large file over HTTP: resumed, retried, and compared with its checksum."""

import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

from repro.datasets.manifest import content_of
from repro.errors import ReproError
from repro.files import atomic_path
from repro.progress import progress

BLOCK = 1 << 18
PASSING = (408, 425, 429)  # client errors that may pass, as every 5xx may


def download(url, path, sha256=None, attempts=5, wait=2.0, timeout=60.0):
    """Fetch ``url`` to ``path`` and return ``path``; a file that is there with the right checksum is kept.

    What has arrived stays in ``<path>.part`` over a failure or a kill, and the next call or attempt asks for
    the rest (HTTP range, only if the server still has the same file: ``If-Range``).

    Parameters
    ----------
    sha256 : str, optional
        Expected checksum; without it only the announced length is checked, and a file that is there is kept
        unread.
    attempts : int
        Tries in all; ``wait`` seconds pass after the first, twice as many after each further one.
    timeout : float
        Seconds without a byte after which an attempt is given up.

    Raises
    ------
    ReproError
        Not an http(s) address, refused by the server, all attempts failed, wrong checksum, cannot write.
    """
    path = Path(path)
    if not url.startswith(("http://", "https://")):
        raise ReproError("not an http address", path=url)
    if path.is_file():
        _check(path, url, sha256, delete=False)
        return path
    part = path.with_name(path.name + ".part")
    for attempt in range(1, attempts + 1):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _fetch(url, part, timeout)
            break
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in PASSING:
                raise ReproError("the server refused", path=url, why=f"{error.code} {error.reason}") from error
            failure = error
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            TimeoutError,
            ConnectionError,
            ssl.SSLError,
        ) as error:
            failure = error
        except OSError as error:
            raise ReproError(
                "cannot write", path=part, why=error.strerror or str(error), fix="make room and run again"
            ) from error
        if attempt == attempts:
            raise ReproError(
                "download failed",
                path=url,
                why=f"{attempts} attempts, the last: {failure}",
                fix="run again: what has arrived is kept",
            ) from failure
        time.sleep(wait * 2 ** (attempt - 1))
    _check(part, url, sha256, delete=True)
    _validator(part).unlink(missing_ok=True)
    os.replace(part, path)
    return path


def _fetch(url, part, timeout):
    """Append to ``part`` until it is whole; raises what the connection raises."""
    headers = {"User-Agent": "repro", "Accept-Encoding": "identity"}
    version = _remembered(part)
    have = part.stat().st_size if part.is_file() and version else 0
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{have}":
            return  # all of it had arrived before the kill
        if error.code == 416:
            _validator(part).unlink()
            return _fetch(url, part, timeout)
        raise
    with answer:
        if answer.status == 206:
            start = answer.headers.get("Content-Range", "")
            if not start.startswith(f"bytes {have}-"):
                raise http.client.HTTPException(f"asked for the rest from byte {have}, got {start!r}")
        else:
            have = 0
            open(part, "wb").close()  # emptied before the new version is remembered, lest a kill between mixes the two
            _remember(part, answer.headers)
        length = answer.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        with (
            open(part, "r+b" if have else "wb") as file,
            progress(total=total, initial=have, desc=part.stem, unit="B") as bar,
        ):
            file.seek(have)
            while block := answer.read(BLOCK):
                file.write(block)
                bar.update(len(block))
            size = file.tell()
    if total is not None and size < total:
        raise ConnectionError(f"the connection ended at byte {size} of {total}")


def _validator(part):
    return part.with_name(part.name + ".etag")


def _remembered(part):
    """What tells the version of the file that ``part`` is the beginning of; None where that is not known, or not whole."""
    try:
        version = json.loads(_validator(part).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return version if isinstance(version, str) and version.isascii() and version.isprintable() else None


def _remember(part, headers):
    """Keep what tells this version of the file from another; without it the rest is not asked for."""
    validator = headers.get("ETag") or headers.get("Last-Modified")
    if validator and not validator.startswith("W/"):
        with atomic_path(_validator(part)) as temporary:
            temporary.write_text(json.dumps(validator))
    else:
        _validator(part).unlink(missing_ok=True)


def _check(path, url, sha256, delete):
    if sha256 is None:
        return
    found = content_of(path).sha256
    if found != sha256.lower():
        if delete:
            path.unlink()
            _validator(path).unlink(missing_ok=True)
        raise ReproError(
            "wrong checksum of a download",
            path=path,
            why=f"sha256 is {found}, not {sha256}, from {url}",
            fix="check the address, delete the file and try again",
        )
