"""Exports come back byte for byte; hostile ones are refused and change nothing."""

from __future__ import annotations

import json
import random
from hashlib import sha256

import pytest

from memory_stores import Forget, HashEmbedder, Link, Relink, Retrieve, Stamp, Write
from memory_stores.durable import Conflict, Details, MemoryFile, StoreError


def cost(text):
    return len(text.split())


def opened(path):
    return MemoryFile(path, count_tokens=cost, embedder=HashEmbedder(16))


def fill(file):
    memory = file.space(("users", "ána"), token=40, graph=40)
    memory.apply_all(
        [Write("one\nline\x00"), Write("北京", "archive"), Link("a", "b", "c"), Relink("g1", "d")], key="k"
    )
    memory.apply_all(
        [Write("dated", "archive")], details=Details(name="n", metadata={"x": [1.5, None]}, expires_at=9e9)
    )
    memory.apply(Retrieve("dated"), Stamp(step=3, trust=1))
    memory.apply(Forget("t1"))
    file.space("other").apply(Write("text", "archive"))
    file.drop("other")
    file.space("third").apply(Write("text", "archive"))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_export_comes_back_byte_for_byte(tmp_path):
    with opened(tmp_path / "one.db") as one, opened(tmp_path / "two.db") as two:
        fill(one)
        manifest = one.export(tmp_path / "first")
        assert [space["name"] for space in manifest["spaces"]] == [["third"], ["users", "ána"]]
        assert two.load(tmp_path / "first") == [("third",), ("users", "ána")]
        two.export(tmp_path / "second")
        assert contents(tmp_path / "first") == contents(tmp_path / "second") and len(contents(tmp_path / "first")) == 3
        a, b = one.space(("users", "ána")), two.space(("users", "ána"))
        assert a.state_dict() == b.state_dict() and b.details("a2") == a.details("a2") and two.verify().ok
        assert b.apply_all(
            [Write("one\nline\x00"), Write("北京", "archive"), Link("a", "b", "c"), Relink("g1", "d")], key="k"
        ).repeated
        assert a.history("g2") and len(b.history("g2")) == len(a.history("g2")) and b.search("北京")
        assert b.apply(Write("goes on")).created == a.apply(Write("goes on")).created
        with pytest.raises(Conflict, match="has a space"):
            two.load(tmp_path / "first")
        with pytest.raises(StoreError, match="not empty"):
            one.export(tmp_path / "first")


def test_a_damaged_export_changes_nothing(tmp_path):
    with opened(tmp_path / "one.db") as one:
        fill(one)
        one.export(tmp_path / "first")
    good, rng = contents(tmp_path / "first"), random.Random(0)
    with opened(tmp_path / "two.db") as two:
        for number in range(300):
            folder = tmp_path / f"bad{number}"
            folder.mkdir()
            for name, data in hurt(good, rng).items():
                (folder / name).write_bytes(data)
            with pytest.raises(StoreError, match=r"export|memory file"):
                two.load(folder)
            assert two.spaces() == []
        assert two.load(tmp_path / "first") and two.verify().ok


def hurt(files, rng):
    """One file damaged; half of the time with a manifest that agrees, as a forger would make it."""
    files, name = dict(files), rng.choice(sorted(files))
    data = bytearray(files[name])
    if name == "manifest.json" or rng.random() < 0.5:
        at = rng.randrange(len(data))
        data[at : at + rng.randint(1, 40)] = bytes(rng.choices(range(256), k=rng.randint(0, 3)))
        return {**files, name: bytes(data)} if bytes(data).strip() != files[name].strip() else {}
    lines = [json.loads(line) for line in data.decode().splitlines()]
    line = rng.choice(lines)
    told = rng.choice(
        [
            lambda: line.pop("kind"),
            lambda: line.update(kind="x"),
            lambda: lines.remove(line),
            lambda: lines.append(line),
        ]
    )
    told()
    files[name] = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines).encode()
    manifest = json.loads(files["manifest.json"])
    for space in manifest["spaces"]:
        if space["file"] == name:
            space["sha256"] = sha256(files[name]).hexdigest()
    return {**files, "manifest.json": json.dumps(manifest).encode()}


def test_what_is_no_export_is_told(tmp_path):
    with opened(tmp_path / "one.db") as file:
        with pytest.raises(StoreError, match="cannot be read"):
            file.load(tmp_path / "nowhere")
        (tmp_path / "manifest.json").write_text('{"format": "other 1", "spaces": []}')
        with pytest.raises(StoreError, match="format 'other 1'"):
            file.load(tmp_path)
        (tmp_path / "file").write_text("x")
        with pytest.raises(StoreError, match="not empty"):
            file.export(tmp_path / "file")
        with pytest.raises(StoreError, match="cannot be written"):
            file.export(tmp_path / "file" / "inside")


def damaged(tmp_path, how):
    with opened(tmp_path / "one.db") as one:
        fill(one)
        one.export(tmp_path / "out")
    (tmp_path / "one.db").unlink()
    if how == "missing":
        return tmp_path / "nowhere"
    path = tmp_path / "out" / ("manifest.json" if how == "manifest" else "space-000002.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    return tmp_path / "out"


@pytest.mark.parametrize("how", ["missing", "manifest", "space"])
def test_a_load_that_failed_leaves_no_file_where_there_was_none(tmp_path, how):
    folder, path = damaged(tmp_path, how), tmp_path / "new.db"
    with opened(path) as file, pytest.raises(StoreError, match="export"):
        file.load(folder)
    assert [one.name for one in tmp_path.iterdir()] == ["out"]
    with opened(path) as file:
        with pytest.raises(StoreError, match="export"):
            file.load(folder)
        file.space("a").apply(Write("goes on", "archive"))
    with opened(path) as file:
        assert [entry.text for entry in file.space("a").entries()] == ["goes on"]
        with pytest.raises(StoreError, match="export"):
            file.load(folder)
    assert path.exists(), "what was there stays"


def test_a_file_that_another_has_open_stays_after_a_failed_load(tmp_path):
    path = tmp_path / "new.db"
    with opened(path) as file:
        with pytest.raises(StoreError, match="cannot be read"):
            file.load(tmp_path / "nowhere")
        other = opened(path)
    other.space("a").apply(Write("kept", "archive"))
    other.close()
    with opened(path) as file:
        assert [entry.text for entry in file.space("a").entries()] == ["kept"] and file.verify().ok


def test_separators_of_lines_within_a_text_come_back(tmp_path):
    text = "pasted \u2028 from \u2029 the \x85 web \x0b\x0c\x1c"
    with opened(tmp_path / "a.db") as file:
        file.space("one").apply(Write(text, "archive"))
        file.export(tmp_path / "out")
    with opened(tmp_path / "b.db") as file:
        file.load(tmp_path / "out")
        assert [entry.text for entry in file.space("one").entries()] == [text]


def test_a_copy_of_no_space_is_refused_and_makes_none(tmp_path):
    with opened(tmp_path / "a.db") as file:
        with pytest.raises(StoreError, match="has no space 'typo' to copy"):
            file.copy("typo", "new")
        assert not file.spaces()


def test_who_changes_his_own_metadata_changes_no_memory(tmp_path):
    told = {"topic": "tea", "deep": {"a": [1]}}
    with opened(tmp_path / "a.db") as file:
        memory = file.space("one")
        memory.apply_all([Write("x", "archive")], details=Details(metadata=told))
        told["topic"] = "coffee"
        memory.details("a1").metadata["deep"]["a"].append(2)
        assert memory.details("a1").metadata == {"topic": "tea", "deep": {"a": [1]}}
        assert len(memory.search("x", where={"topic": "tea"})) == 1
