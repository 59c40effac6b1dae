"""The memory file in figures: commits, batches, forks, opening, searches beside numpy, FAISS and LangGraph's store.

python benchmarks/durable.py                 # figures go to results/durable.json; about 5 minutes
python benchmarks/durable.py --folder /dev/shm --sizes 10000

Wall times on this machine at this moment: the load average stands in the results, and a plain fsync beside the commits.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from memory_stores import AgentMemory, Bm25Store, Retrieve, Stamp, Write
from memory_stores.durable import Details, MemoryFile

ROOT = Path(__file__).parents[1]
DIM, QUERIES, K = 384, 60, 10


def count_words(text: str) -> int:
    return len(text.split())


class Table:
    """An embedder that looks its vectors up, so that embedding costs nothing: "row 7" has row 7, "query 3" query 3."""

    dim = DIM
    fingerprint = "benchmark-table"

    def __init__(self, rows: np.ndarray, queries: np.ndarray) -> None:
        self.rows, self.queries = rows, queries

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        found = np.zeros((len(texts), DIM), dtype=np.float32)
        for place, text in enumerate(texts):
            name, number, *_ = text.split()
            table = {"row": self.rows, "query": self.queries}.get(name)
            found[place] = table[int(number)] if table is not None else np.eye(1, DIM, dtype=np.float32)[0]
        return found


def times(work: Callable[[int], Any], count: int) -> list[tuple[float, float]]:
    """Milliseconds of each call: on the wall, and of this process's CPU."""
    taken: list[tuple[float, float]] = []
    for number in range(count):
        started, cpu = time.perf_counter(), time.process_time()
        work(number)
        taken.append((1000 * (time.perf_counter() - started), 1000 * (time.process_time() - cpu)))
    return taken


def told(taken: list[tuple[float, float]]) -> dict[str, float]:
    """Median, 95th and 99th percentile in ms; those of the CPU leave out what others on the machine took."""
    found: dict[str, float] = {}
    for name, which in (("", 0), ("cpu_", 1)):
        one = sorted(pair[which] for pair in taken)
        for share in (50, 95, 99):
            found[f"{name}p{share}"] = round(one[min(len(one) - 1, share * len(one) // 100)], 3)
    return found


def plain_fsync(folder: Path) -> dict[str, float]:
    """4 KiB appended and flushed: what the disk takes for one commit at the least."""
    with (folder / "plain").open("wb") as file:

        def work(number: int) -> None:
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())

        return told(times(work, 400))


def commits(folder: Path) -> dict[str, Any]:
    """Single commits, one batch of 30,000 ops, the same ops in RAM, and forks."""
    ops = [Write(f"The lantern {n} stands in the attic.", "archive") for n in range(30_000)]
    with MemoryFile(folder / "commits.db", count_tokens=count_words) as file:
        memory = file.space("single", archive=10**9)
        single = told(times(lambda n: memory.apply(ops[n], Stamp(step=n)), 1000))
        memory = file.space("batch", archive=10**9)
        started, cpu = time.perf_counter(), time.process_time()
        memory.apply_all(ops)
        batch, batch_cpu = time.perf_counter() - started, time.process_time() - cpu
        ten = file.space("ten", archive=10**9)
        ten.apply_all(ops[:10_000])
        forks = told(times(lambda n: ten.fork(), 50))
    plain = AgentMemory(archive=Bm25Store(10**9, count_words))
    started, cpu = time.perf_counter(), time.process_time()
    for op in ops:
        plain.apply(op)
    ram, ram_cpu = time.perf_counter() - started, time.process_time() - cpu
    return {
        "plain_fsync_ms": plain_fsync(folder),
        "single_commit_ms": single,
        "batch_ops_a_second": {"wall": round(len(ops) / batch), "cpu": round(len(ops) / batch_cpu)},
        "in_ram_ops_a_second": {"wall": round(len(ops) / ram), "cpu": round(len(ops) / ram_cpu)},
        "fork_of_10000_ms": forks,
    }


def made(count: int) -> Table:
    """Random unit vectors: the hardest case there is for a search that prunes, and this one does not."""
    rng = np.random.default_rng(count)
    rows, queries = (rng.standard_normal((n, DIM), dtype=np.float32) for n in (count, QUERIES))
    return Table(*(table / np.linalg.norm(table, axis=1, keepdims=True) for table in (rows, queries)))


def searches(folder: Path, count: int) -> dict[str, Any]:
    """One size: writing, opening, searching, filtered and by words; and the others on the same vectors."""
    table, path = made(count), folder / f"search-{count}.db"
    rng = np.random.default_rng(1)
    said = rng.zipf(1.3, size=(count, 12)) % 20_000
    texts = [f"row {n} " + " ".join(f"w{word}" for word in words) for n, words in enumerate(said.tolist())]
    exact = np.argsort(-(table.queries.astype(np.float64) @ table.rows.T.astype(np.float64)), axis=1)[:, :K]
    with MemoryFile(path, count_tokens=count_words, embedder=table) as file:
        memory = file.space("a", archive=10**9, archive_kind="vector")
        memory.apply_all(
            [Write(text, "archive") for text in texts], details=[Details(metadata={"n": n % 10}) for n in range(count)]
        )
        memory.search(table.queries[0])
        grown = told(times(lambda n: memory.apply(Write(f"row {n} again", "archive")), 200))
        memory.undo(200)
    started = time.perf_counter()
    with MemoryFile(path, count_tokens=count_words, embedder=table) as file:
        memory = file.space("a")
        opened = time.perf_counter() - started
        memory.search(table.queries[0])
        first = time.perf_counter() - started
        found = [[hit.text for hit in memory.search(query, K)] for query in table.queries]
        right = [len({texts[n] for n in best} & set(hits)) for best, hits in zip(exact, found, strict=True)]
        ours = told(times(lambda n: memory.search(table.queries[n], K), QUERIES))
        after_a_write = told(
            times(lambda n: (memory.apply(Write(f"row {n}", "archive")), memory.search(table.queries[n], K)), 20)
        )
        filtered = told(times(lambda n: memory.search(table.queries[n], K, where={"n": 3}), QUERIES))
        rows = [memory.search(table.queries[n], K, where={"n": 3}) for n in range(QUERIES)]
        memory.search("row", K, by="words")
        two = rng.integers(50, 500, size=(QUERIES, 2)).tolist()
        words = told(times(lambda n: memory.search(f"w{two[n][0]} w{two[n][1]}", K, by="words"), QUERIES))
        retrieve = told(times(lambda n: memory.apply(Retrieve(f"query {n}", k=K)), QUERIES))
    return {
        "write_ms": grown,
        "open_s": round(opened, 2),
        "open_and_first_search_s": round(first, 2),
        "recall_at_10": round(sum(right) / (K * QUERIES), 4),
        "search_ms": ours,
        "write_then_search_ms": after_a_write,
        "filtered_to_a_tenth_ms": filtered,
        "filtered_hits": sum(map(len, rows)) / QUERIES,
        "by_words_ms": words,
        "retrieve_op_with_commit_ms": retrieve,
        "numpy_ms": told(times(lambda n: np.argpartition(-(table.rows @ table.queries[n]), K)[:K], QUERIES)),
        "faiss_flat_ms": faiss_flat(table),
        "langgraph_in_memory_store_ms": langgraph(table, count),
        "bytes_of_the_file": path.stat().st_size,
    }


def faiss_flat(table: Table) -> dict[str, float]:
    """What mem0's FAISS store searches with, without its Python."""
    import faiss

    index = faiss.IndexFlatIP(DIM)
    index.add(table.rows)
    return told(times(lambda n: index.search(table.queries[n : n + 1], K), QUERIES))


def langgraph(table: Table, count: int) -> dict[str, float] | str:
    """LangGraph's ``InMemoryStore`` with the same vectors; its search is given the query as text, looked up."""
    try:
        from langgraph.store.base import PutOp
        from langgraph.store.memory import InMemoryStore
    except ImportError:
        return "not installed"
    if count > 20_000:
        return "not measured: it keeps vectors as Python lists, a gigabyte and more"
    store = InMemoryStore(index={"dims": DIM, "embed": lambda texts: table.embed(texts).tolist(), "fields": ["text"]})
    for start in range(0, count, 1000):
        store.batch([PutOp(("a",), str(n), {"text": f"row {n}"}) for n in range(start, min(count, start + 1000))])
    return told(times(lambda n: store.search(("a",), query=f"query {n}", limit=K), 20))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the files are made; the system's folder for such files")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    args = parser.parse_args()
    result: dict[str, Any] = {"machine": machine(), "load_before": os.getloadavg()}
    with tempfile.TemporaryDirectory(dir=args.folder) as made_folder:
        folder = Path(made_folder)
        result["commits"] = commits(folder)
        print(json.dumps(result["commits"], indent=1))
        for count in args.sizes:
            result[f"search_{count}"] = searches(folder, count)
            print(count, json.dumps(result[f"search_{count}"], indent=1))
    result["load_after"] = os.getloadavg()
    (ROOT / "benchmarks" / "results" / "durable.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
