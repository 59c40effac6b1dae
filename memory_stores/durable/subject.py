"""``Subject``: what a purge is to take out, and whatever of an entry or of a line of the log people said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast
from unicodedata import normalize

from memory_stores.durable.errors import StoreError
from memory_stores.durable.rows import metadata_text
from memory_stores.durable.stored import SWEEPER
from memory_stores.durable.types import Details
from memory_stores.types import Edge, Entry
from memory_stores.words import FUNCTION_WORDS, words

PURGED = "[purged {}]"
"""What stands in the place of a text that was taken out of the log: one for each entry, so that a replay goes on."""
MARK = re.compile(r"\[purged (?:[tga]\d+|(?:key of )?record \d+)\]")
ID = re.compile(r"[tga][1-9]\d*")
"""Ids are words of the format: a line that names one says nothing of anybody."""
TEXTS = ("text", "query", "observation_id", "writer")
"""Fields of ops, entries and stamps that people wrote, each for itself; those of an edge make up its text together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is to go: all that has ``part`` in it, case aside; or entry ``id``, its versions and lines of the log; or,
    of the log, the words of searches that have ``asked`` in them."""

    part: str = ""
    id: str = ""
    asked: str = ""
    whole: frozenset[str] = frozenset()
    """Texts that the entry of that id had, to count how often they are left."""

    def holds(self, text: str) -> bool:
        """Whether a string has to go: it has the part in it, in whatever way Unicode writes the same letters."""
        return _has(text, self.part)

    def asks(self, query: str) -> bool:
        """Whether the words of a search have to go."""
        return _has(query, self.asked)

    def means(self, entry: Entry, details: Details) -> bool:
        """Whether an entry has to go, for anything that the file keeps of it."""
        return entry.id == self.id or any(self.holds(text) for text in said(entry, details))

    def texts(self) -> list[str]:
        """What is looked for in the bytes of the file."""
        return [self.part] if self.part else sorted(self.whole)


def told_by(text: str) -> frozenset[tuple[str, ...]]:
    """The words of a text, and its pairs of neighbours, without those of function words alone."""
    said = words(text)
    parts = ((word,) for word in said)
    return frozenset(part for part in (*parts, *pairwise(said)) if not FUNCTION_WORDS.issuperset(part))


def _has(text: str, part: str) -> bool:
    if not part:
        return False
    text = MARK.sub("\0", text) if "[" in text else text
    return part.casefold() in text.casefold() or folded(part) in folded(text)


def folded(text: str) -> str:
    """Equal for texts that differ in case, or in how Unicode writes a letter (canonical caseless matching)."""
    return text.casefold() if text.isascii() else normalize("NFC", normalize("NFD", text).casefold())


def checked_subject(subject: Any) -> str:
    """Raises StoreError on what is no text with a letter in it."""
    if not isinstance(subject, str) or not subject.strip():
        raise StoreError(f"purge subject = {subject!r}: give a text or an id")
    return subject


def said(entry: Entry, details: Details) -> list[str]:
    """Every string that people gave for an entry."""
    told = [entry.text, entry.stamp.observation_id, entry.stamp.writer, details.name or ""]
    if isinstance(entry, Edge):
        told += [entry.subject, entry.relation, entry.object]
    return told + _said_of_metadata(details.metadata)


def _said_of_metadata(metadata: Any) -> list[str]:
    return [] if metadata is None else [*_strings(metadata), metadata_text(metadata)]


def said_in_line(data: dict[str, Any]) -> list[str]:
    """Every string that people gave in a line of the log."""
    told = _said_in_table(data["op"]) + _said_of_details(data.get("details", {}))
    if not stamped_by_nobody(data):
        told += data["stamp"][1:3]
    for _, entry, details in data["op"].get("put", ()):
        told += _said_in_table(entry) + _said_in_table(entry["stamp"]) + _said_of_details(details)
    return told


def _said_in_table(data: Mapping[str, Any]) -> list[str]:
    told = [data[name] for name in TEXTS if isinstance(data.get(name), str)]
    edge = [data[name] for name in ("subject", "relation", "object") if isinstance(data.get(name), str)]
    given = [id for id in (data.get("id", ""), *data.get("ids", ())) if not ID.fullmatch(id)]
    return [*told, *edge, " ".join(edge), *given]


def _said_of_details(details: Mapping[str, Any]) -> list[str]:
    return [details.get("name", ""), *_said_of_metadata(details.get("metadata"))]


def stamped_by_nobody(data: dict[str, Any]) -> bool:
    """Whether a line has a stamp that no caller gave: of an expiry, or of a ``Change``."""
    stamp = SWEEPER
    told = [stamp.step, stamp.observation_id, stamp.writer, stamp.trust]
    return data["op"]["op"] == "Change" or data["stamp"] == told


def _strings(data: Any) -> list[str]:
    """Strings and numbers, as they stand in the file."""
    if isinstance(data, str):
        return [data]
    if isinstance(data, int | float) and not isinstance(data, bool):
        return [json.dumps(data)]
    if isinstance(data, Mapping):
        pairs = cast("Mapping[Any, Any]", data).items()
        return [text for name, value in pairs for text in (*_strings(name), *_strings(value))]
    if isinstance(data, list | tuple):
        return [text for one in cast("list[Any]", data) for text in _strings(one)]
    return []
