"""Journal: append-only, cheap to fork, the same after a trip through text."""

import pytest

from memory_stores import (
    MEMORY_OPS,
    Forget,
    Journal,
    Keep,
    Link,
    Overwrite,
    Relink,
    Retrieve,
    Stamp,
    TokenStore,
    Unlink,
    Write,
    replay,
)
from memory_stores.codec import op_from_dict, op_to_dict

EVERY_OP = (
    Keep(),
    Write('a "quoted"\nline\u2028and more', "archive"),
    Overwrite("t1", "b"),
    Forget("t2"),
    Link("Ana", "has", "key"),
    Relink("g1", "pen"),
    Unlink("g2"),
    Retrieve("where?", "graph", 3, 2),
)


def test_every_op_comes_back_from_its_dictionary():
    assert {type(op) for op in EVERY_OP} == set(MEMORY_OPS)
    for op in EVERY_OP:
        assert op_from_dict(op_to_dict(op)) == op
    assert op_to_dict(Forget("t2")) == {"op": "Forget", "id": "t2"}


def test_a_journal_comes_back_from_its_lines():
    journal = Journal((op, Stamp(step=n, trust=0.5)) for n, op in enumerate(EVERY_OP))
    text = journal.to_jsonl()
    assert text.count("\n") == len(EVERY_OP)
    assert list(Journal.from_jsonl(text)) == list(journal)
    assert list(Journal.from_jsonl("")) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "journal line 2"),
        ("7", "must be an object"),
        ('{"op": "Fly", "stamp": {}}', "op = 'Fly': no such memory op; take one of Keep, Write"),
        ('{"op": "Forget", "stamp": {}}', "wrong fields; take id"),
        ('{"op": "Forget", "id": 3, "stamp": {}}', "Forget.id = 3: it must be of type str"),
        ('{"op": "Keep"}', "stamp = None"),
        ('{"op": "Keep", "stamp": {"stop": 1}}', "wrong fields; take step"),
    ],
)
def test_a_bad_line_is_named(line, reason):
    with pytest.raises(ValueError, match="journal line 2") as error:
        Journal.from_jsonl('{"op": "Keep", "stamp": {}}\n' + line)
    assert reason in str(error.value)


def test_forks_share_the_past_but_no_future():
    journal = Journal()
    journal.append(Write("a"), Stamp(step=1))
    one, two = journal.fork(), journal.fork()
    one.append(Write("b"), Stamp(step=2))
    journal.append(Write("c"), Stamp(step=2))
    assert [op.text for op, _ in one] == ["a", "b"]
    assert [op.text for op, _ in two] == ["a"]
    assert [op.text for op, _ in journal] == ["a", "c"]
    assert (len(journal), len(one), len(two)) == (2, 2, 1)


def test_a_journal_may_grow_while_it_is_read():
    journal = Journal([(Keep(), Stamp())])
    for op, stamp in journal:
        journal.append(op, stamp)
    assert len(journal) == 2


def test_replay_carries_out_every_op_and_returns_the_store():
    journal = Journal([(Write("a"), Stamp()), (Write("b"), Stamp()), (Forget("t1"), Stamp()), (Forget("t9"), Stamp())])
    store = TokenStore(5, len)
    assert replay(journal, store) is store
    assert [item.text for item in store.entries()] == ["b"]
