"""2WikiMultihopQA (Ho et al. 2020, arXiv:2011.01060): HotpotQA's form, ten questions a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memrl.envs.documents.loaders.hotpotqa import rows_of, streams_of
from memrl.envs.documents.loaders.official import files_of
from memrl.envs.documents.records import Stream

ORIGIN = "github.com/Alab-NII/2wikimultihop (dev.json)"
LICENCE = "Apache-2.0"


def load(path: Path) -> tuple[Stream, ...]:
    """The streams of a file or of a folder's ``dev.json`` and ``train.json``. Raises DataError."""
    files = files_of(path, "2WikiMultihopQA", "train.json", "dev.json")
    return from_rows([row for file in files for row in rows_of(file, "2WikiMultihopQA", ORIGIN)], path)


def from_rows(rows: Sequence[Mapping[str, Any]], path: object = "rows") -> tuple[Stream, ...]:
    """Rows as in the official file, or as the hub stores them."""
    return streams_of(rows, path, "2WikiMultihopQA", ORIGIN, LICENCE, "2wiki")
