"""A writer of RAR 4 archives whose members are stored, not compressed: just enough to test reading them."""

import struct
import zlib

MARK = b"Rar!\x1a\x07\x00"
UNIX, FOLDER, LOCKED, HAS_DATA = 3, 0xE0, 0x04, 0x8000


def _block(kind, flags, body, data=b""):
    head = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head + data


def member(name, data=b"", mode=0o100644, flags=0):
    """One file block; ``mode`` is Unix's, type included."""
    encoded = name.encode()
    body = struct.pack("<IIBIIBBHI", len(data), len(data), UNIX, zlib.crc32(data), 0x21 << 16 | 1, 20, 0x30, len(encoded), mode)
    return _block(0x74, HAS_DATA | flags, body + encoded, data)


def archive(*members):
    """Bytes of an archive of `member` blocks, or of (name, data) pairs."""
    blocks = [block if isinstance(block, bytes) else member(*block) for block in members]
    return MARK + _block(0x73, 0, bytes(6)) + b"".join(blocks) + _block(0x7B, 0x4000, b"")
