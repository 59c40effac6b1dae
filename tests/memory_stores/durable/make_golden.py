"""Writes ``golden_v1.db``, a file as version 1 makes it. Run once for each version that is released, then leave alone.

python tests/memory_stores/durable/make_golden.py golden_v1.db
"""

from __future__ import annotations

import sys
from pathlib import Path

from memory_stores import Forget, HashEmbedder, Link, Relink, Retrieve, Stamp, Write
from memory_stores.durable import Details, MemoryFile


def main(path: Path) -> None:
    """Every kind of row there is, at a clock that stands still."""
    with MemoryFile(
        path, count_tokens=lambda text: len(text.split()), embedder=HashEmbedder(8), clock=lambda: 1000.0
    ) as file:
        memory = file.space(("users", "ana"), token=40, graph=40)
        memory.apply_all([Write("The key is under the mat."), Write("Old news", "archive")], Stamp(step=1, trust=0.5))
        memory.apply_all([Link("Ana", "in", "Paris"), Relink("g1", "Berlin"), Forget("a1")], Stamp(step=2), key="k")
        memory.apply_all([Write("The lamp is blue.", "archive")], details=Details(name="lamp", metadata={"n": 1}))
        memory.apply(Retrieve("lamp"), Stamp(step=3))
        memory.search("lamp", by="vectors")
        memory.undo()
        memory.apply_all([Write("The lamp is red.", "archive")], details=Details(name="lamp", expires_at=9e9))
        file.space("other").apply(Write("of another space", "archive"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
