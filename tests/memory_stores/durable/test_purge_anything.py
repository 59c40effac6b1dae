"""Whatever is purged from whatever memory: the file is sound, comes back from an export, and the subject is gone."""

from __future__ import annotations

import json
import random
from unicodedata import normalize

import pytest

from memory_stores import Forget, HashEmbedder, Link, Overwrite, Relink, Retrieve, Stamp, Unlink, Write
from memory_stores.durable import Conflict, Details, MemoryFile

WORDS = ["Ana", "ANA", "ana", "vault", "5551234", "café", "cafe\u0301", "Ａna", 'say "x"', "keeps", "zebra", "token"]
SUBJECTS = [*WORDS, "Ana keeps", "keeps zebra", "vault zebra", "purged", "a1", "e", '"x"', "555", "CAFÉ"]
KEYS = [None, None, "k1", "k vault", "k Ana"]


def cost(text):
    return len(text.split())


def words(rng, most=3):
    return " ".join(rng.choices(WORDS, k=rng.randint(1, most)))


def metadata(rng):
    values = [words(rng), 5551234, 555.5, True, None, [words(rng), 5551234], {words(rng, 1): words(rng)}, {}]
    return {rng.choice(WORDS): rng.choice(values) for _ in range(rng.randint(0, 2))}


def details(rng):
    name = rng.choice([None, None, words(rng, 1)])
    told = rng.choice([None, metadata(rng)])
    return Details(name=name, metadata=told, **rng.choice([{}, {}, {"event_time": 5.0}, {"ttl": 3.0}]))


def op(rng, memory):
    held = [entry.id for entry in memory.entries()] or ["t1"]
    id = rng.choice([rng.choice(held), rng.choice(held), rng.choice(["t1", "g9", "vault", "a1"])])
    store = rng.choice(["token", "archive", "archive"])
    return rng.choice(
        [
            Write(words(rng), store),
            Write(words(rng), store),
            Overwrite(id, words(rng)),
            Link(words(rng, 1), rng.choice(["keeps", "has"]), words(rng, 1)),
            Link(words(rng, 1), rng.choice(["keeps", "has"]), words(rng, 1)),
            Relink(id, words(rng, 1)),
            Relink(id, words(rng, 1)),
            rng.choice([Forget(id), Unlink(id)]),
            Retrieve(words(rng), store, 2, 1, ids=rng.choice([(), (id,)])),
        ]
    )


def step(rng, memory):
    """One call of any kind."""
    stamp = Stamp(
        step=rng.randint(0, 9), observation_id=rng.choice(["", "", "o1", "vault"]), writer=rng.choice(["rule", "Ana"])
    )
    kind = rng.random()
    try:
        if kind < 0.05:
            memory.undo()
        elif kind < 0.15 and len(memory):
            memory.set_details(rng.choice(memory.entries()).id, details(rng))
        elif kind < 0.2:
            memory.search(words(rng))
        else:
            ops = [op(rng, memory) for _ in range(rng.randint(1, 2))]
            told = [details(rng) if isinstance(one, Write | Overwrite | Link | Relink) else None for one in ops]
            memory.apply_all(ops, stamp, key=rng.choice(KEYS), details=rng.choice([None, told]))
    except Conflict:
        pass


def holding(folder, subject):
    """Lines of an export in whose strings the subject stands, marks of a purge and words of the format aside."""
    found = []
    for path in folder.glob("space-*.jsonl"):
        for line in map(json.loads, path.read_text().splitlines()):
            line["body"] = json.loads(line.get("body", "{}"))
            line["metadata"] = json.loads(line.get("metadata") or "{}")
            if line["kind"] == "space":
                continue
            found += [text for text in strings(line) if alike(subject) in alike(text) and "[purged " not in text]
    return found


FORMAT = {"Change", "Write", "Overwrite", "Link", "Relink", "Forget", "Unlink", "Retrieve", "Keep", "user"}
OF_FORMAT = {"op", "store", "why", "drop", "of", "created", "removed", "refused", "batch", "hits", "kind", "settings"}


def strings(data):
    if isinstance(data, dict):
        return [text for name, value in data.items() if name not in OF_FORMAT for text in strings(value)] + [
            name for name in data if name in WORDS
        ]
    if isinstance(data, list):
        return [text for one in data for text in strings(one)]
    said = [str(data)] if isinstance(data, str | int) and not isinstance(data, bool) else []
    return [text for text in said if text not in FORMAT and not (text[:1] in "tga" and text[1:].isdigit())]


def alike(text):
    return normalize("NFC", normalize("NFD", text).casefold())


def fold_out(data):
    return {path.name: path.read_bytes() for path in data.iterdir()}


def check_sound(file, folder):
    """Sound; and an export of it comes back byte for byte."""
    assert file.verify().problems == ()
    file.export(folder / "one")
    with MemoryFile(folder / "twin.db", count_tokens=cost, clock=lambda: 50.0) as twin:
        twin.load(folder / "one")
        assert twin.verify().problems == ()
        twin.export(folder / "two")
    assert fold_out(folder / "one") == fold_out(folder / "two")


@pytest.mark.parametrize("seed", range(24))
def test_any_purge_leaves_a_sound_file(tmp_path, seed):
    rng, now = random.Random(seed + 10), [0.0]
    embedder = HashEmbedder(8) if seed % 2 else None
    with MemoryFile(tmp_path / "notes.db", count_tokens=cost, embedder=embedder, clock=lambda: now[0]) as file:
        spaces = [file.space(name, token=40, graph=40, archive=200) for name in ("u", "w")]
        for number in range(4):
            for _ in range(20):
                step(rng, rng.choice(spaces))
                now[0] += 0.1
            memory = rng.choice(spaces)
            known = [id for record in memory.log() for id in record.created]
            subject = rng.choice([*SUBJECTS, *known, *known])
            before = set(file.spaces())
            if rng.random() < 0.4 and subject not in known:
                expected = {(name, e.id) for name, entries in file.would_purge(subject).items() for e in entries}
                report = file.purge(subject)
                assert report.left == 0, subject
            else:
                expected = {(memory.name, entry.id) for entry in memory.would_purge(subject)}
                report = memory.purge(subject)
            assert set(report.entries) == expected and set(file.spaces()) == before
            folder = tmp_path / str(number)
            folder.mkdir()
            check_sound(file, folder)
            if report.left == 0 and subject not in known and subject != "a1":
                assert holding(folder / "one", subject) == []
            assert memory.purge(subject).entries == ()
