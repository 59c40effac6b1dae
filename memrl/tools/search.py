"""The tool ``search(query)``: documents by BM25 (Robertson and Zaragoza 2009), in plain Python.

score(q, d) = sum over words w of q:  idf(w) * f(w, d) * (k1 + 1) / (f(w, d) + k1 * (1 - b + b * |d| / mean |d|))
idf(w) = log(1 + (N - n(w) + 0.5) / (n(w) + 0.5)),  k1 = 1.5, b = 0.75

English function words are not looked for: in short documents "of the" would weigh as much as a name.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memory_stores.words import words
from memrl.contracts.errors import InputError
from memrl.contracts.types import Tool
from memrl.tools.toolbox import ToolResult

K1, B = 1.5, 0.75
_SKIPPED = frozenset(
    ("a", "an", "and", "are", "as", "at", "by", "for", "from", "in", "is", "it", "its", "of", "on", "or", "that", "the",
     "this", "to", "was", "were", "with")
)  # fmt: skip
SEARCH = Tool(
    name="search",
    about="Finds documents by their words and shows the best.",
    parameters=(("query", {"type": "string"}),),
)


class SearchIndex:
    """Documents that are searched by words; equal scores go to the earlier document."""

    def __init__(self, documents: Sequence[str]) -> None:
        self._documents = tuple(documents)
        counts = [Counter(words(text)) for text in self._documents]
        lengths = [sum(count.values()) for count in counts]
        mean = sum(lengths) / len(lengths) if lengths else 1.0
        found: dict[str, list[tuple[int, float]]] = {}
        for at, (count, length) in enumerate(zip(counts, lengths, strict=True)):
            for word, times in count.items():
                weight = times * (K1 + 1) / (times + K1 * (1 - B + B * length / mean))
                found.setdefault(word, []).append((at, weight))
        self._weights = found

    def find(self, query: str, most: int = 3) -> list[tuple[str, float]]:
        """Documents that share a word with the query and their scores, best first."""
        scores: dict[int, float] = {}
        for word in dict.fromkeys(word for word in words(query) if word not in _SKIPPED):
            places = self._weights.get(word, ())
            idf = math.log(1 + (len(self._documents) - len(places) + 0.5) / (len(places) + 0.5))
            for at, weight in places:
                scores[at] = scores.get(at, 0.0) + idf * weight
        best = sorted(scores.items(), key=lambda pair: (-round(pair[1], 9), pair[0]))[:most]
        return [(self._documents[at], score) for at, score in best]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTool:
    """``search(query)``."""

    index: SearchIndex
    shown: int
    spec: Tool = SEARCH

    def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        found = self.index.find(arguments["query"], self.shown)
        if not found:
            return ToolResult(f"Nothing was found for {arguments['query']!r}.", True)
        return ToolResult("\n".join(document for document, _ in found), True)


def search_tool(documents: SearchIndex | Sequence[str], shown: int = 3) -> SearchTool:
    """The tool that searches documents and shows the best ``shown``.

    Raises:
        InputError: the documents are none, one text in place of several, or hold something else or what is no Unicode;
            or none is shown.
    """
    if isinstance(shown, bool) or not isinstance(shown, int) or shown < 1:
        raise InputError(f"shown = {shown!r}: show at least 1 document")
    if not isinstance(documents, SearchIndex):
        if isinstance(documents, str | bytes) or not isinstance(documents, Sequence):
            raise InputError(f"documents = {documents!r:.60}: give a list of texts, or a SearchIndex")
        if wrong := [text for text in documents if not isinstance(text, str)]:
            raise InputError(f"{wrong[0]!r:.60} among the documents is no text; give a list of texts")
        for text in documents:
            try:
                text.encode()
            except UnicodeEncodeError as error:
                way_out = "half of a surrogate pair, which no result can show; take it out"
                raise InputError(f"document {text!r:.60}: at character {error.start} stands {way_out}") from None
    index = documents if isinstance(documents, SearchIndex) else SearchIndex(documents)
    return SearchTool(index=index, shown=shown)
