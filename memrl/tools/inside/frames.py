"""What goes through the pipes: a frame is a length of 4 bytes and JSON; bytes may follow with a length of their own."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from typing import Any


def framed(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def read_frame(source: int) -> dict[str, Any] | None:
    """The next one; None at the end."""
    data = read_bytes(source)
    return None if data is None else json.loads(data)


def read_bytes(source: int) -> bytes | None:
    """A length and as many bytes; None at the end."""
    head = _exactly(source, 4)
    return None if head is None else _exactly(source, struct.unpack("<I", head)[0])


def _exactly(source: int, count: int) -> bytes | None:
    parts = []
    while count:
        part = os.read(source, min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def write_frame(target: int, data: Mapping[str, Any], more: bytes | None = None) -> None:
    """JSON and, where there are any, bytes. Raises OSError where nobody reads any more."""
    head = json.dumps(data).encode()
    left = memoryview(framed(head) + (framed(more) if more is not None else b""))
    while left:
        left = left[os.write(target, left) :]
