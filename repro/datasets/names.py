"""The border where file names of lists and archives become video ids; nothing behind it sees another spelling.

Three spellings are known to differ between the official lists and the copies people hold:

* UCF101's class ``HandstandPushups`` has files called ``v_HandStandPushups_*`` in the archive and the original
  lists, and ``v_HandstandPushups_*`` in renamed copies: the id spells the class as the class index does.
* HMDB51 writes ``#`` and ``&`` in names; J-HMDB and many extracted copies write ``@`` for both: the id has ``@``.
* brackets and semicolons of HMDB51 names are changed in some copies: kept in the id, they don't count in matching.
"""

import re
import unicodedata
from pathlib import PurePosixPath

from repro.errors import ReproError


def video_id(class_name, file_name):
    """Id ``<class>/<stem>`` of a video file of a class, in the one spelling used everywhere.

    ``file_name`` has no folder; its last extension is dropped. ``#`` and ``&`` become ``@``, and a UCF101 prefix
    ``v_<Class>_`` takes the spelling of ``class_name``.
    """
    stem = unicodedata.normalize("NFC", PurePosixPath(file_name).stem)
    prefix = f"v_{class_name}_"
    if stem.lower().startswith(prefix.lower()):
        stem = prefix + stem[len(prefix) :]
    return f"{class_name}/{re.sub('[#&]', '@', stem)}"


def check_spelling(name, path=None):
    """Raise ReproError, naming it, for a name that lists, tables and other systems cannot hold: not UTF-8, line breaks."""
    told = path or name
    if any(0xD800 <= ord(sign) <= 0xDFFF for sign in name):  # how Python holds bytes that are no UTF-8
        raise ReproError(
            "a file name that is not UTF-8", path=ascii(str(told)), fix="rename it (`convmv -f latin1 -t utf8` does)"
        )
    if any(unicodedata.category(sign) == "Cc" for sign in name):
        raise ReproError("a file name with a line break or another control character", path=ascii(str(told)), fix="rename it")


def match_key(video):
    """What two spellings of one video id have in common: no letter case, no punctuation that archives change."""
    return re.sub(r"[@\[\](){};]", "@", video.lower())


def ucf101_group(video):
    """UCF101's group ``<class> gGG`` (25 per class, one source video each), or ``""`` for a name that has none."""
    found = re.search(r"_(g\d+)_c\d+$", video, re.IGNORECASE)
    return f"{video.partition('/')[0]} {found.group(1).lower()}" if found else ""
