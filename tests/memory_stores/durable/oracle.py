"""A memory of plain dictionaries, which shares no code with the stores, and random ops to try both with."""

from __future__ import annotations

import copy

from memory_stores import (
    Forget,
    Keep,
    Link,
    OpResult,
    Overwrite,
    Refusal,
    Relink,
    Retrieve,
    Stamp,
    Unlink,
    Write,
)

NAMES = ["Ana", "Bob", "New York", "York", "key"]
TEXTS = ["Ana has the key", "Bob", "key in York", "the New York key is with Ana and Bob", " ", "Ana likes Bob a lot"]


def cost(text):
    return len(text.split())


class Oracle:
    """What a memory should hold: entries by id, in order; superseded edges; budgets."""

    def __init__(self, **budgets):
        self.budgets = {name[0]: budget for name, budget in budgets.items()}
        self.serial = dict.fromkeys("tga", 0)
        self.held = {}
        self.past = {}

    def fork(self):
        return copy.deepcopy(self)

    def used(self, letter):
        past = sum(cost(e["text"]) for e in self.past.values()) if letter == "g" else 0
        return past + sum(cost(entry["text"]) for id, entry in self.held.items() if id[0] == letter)

    def view(self):
        """(id, text, stamp, replaces) of every live entry, store by store."""
        return [
            (id, e["text"], e["stamp"], e["replaces"])
            for letter in "tga"
            for id, e in self.held.items()
            if id[0] == letter
        ]

    def do(self, op, stamp):
        """(created, removed) or a Refusal."""
        match op:
            case Keep() | Retrieve():
                return ((), ())
            case Write(store="graph"):
                return Refusal.UNSUPPORTED if "g" in self.budgets else Refusal.NO_SUCH_STORE
            case Write():
                return self.add(op.store[0], op.text, (op.text,), stamp, None)
            case Overwrite():
                if op.id[:1] in ("t", "a") and op.id[0] not in self.budgets:
                    return Refusal.NO_SUCH_STORE
                if op.id[:1] not in ("t", "a") or op.id not in self.held:
                    return Refusal.UNKNOWN_ID
                return self.add(op.id[0], op.text, (op.text,), stamp, op.id)
            case Forget():
                if op.id[:1] in ("t", "a") and op.id[0] not in self.budgets:
                    return Refusal.NO_SUCH_STORE
                return self.remove(op.id) if op.id[:1] in ("t", "a") else Refusal.UNKNOWN_ID
            case Link():
                said = (op.subject, op.relation, op.object)
                return self.add("g", " ".join(said), said, stamp, None)
            case Relink():
                if "g" not in self.budgets:
                    return Refusal.NO_SUCH_STORE
                if op.id[:1] != "g" or op.id not in self.held:
                    return Refusal.UNKNOWN_ID
                said = (*self.held[op.id]["said"][:2], op.object)
                return self.add("g", " ".join(said), said, stamp, op.id)
            case Unlink():
                if "g" not in self.budgets:
                    return Refusal.NO_SUCH_STORE
                return self.remove(op.id) if op.id[:1] == "g" else Refusal.UNKNOWN_ID

    def add(self, letter, text, said, stamp, old):
        if letter not in self.budgets:
            return Refusal.NO_SUCH_STORE
        if not all(part.strip() for part in said):
            return Refusal.EMPTY_TEXT
        if self.repeats(letter, text, said, stamp):
            return Refusal.DUPLICATE
        if letter == "g" and old and stamp.step < self.held[old]["stamp"].step and stamp != Stamp():
            return Refusal.OUT_OF_DATE
        live = sum(cost(e["text"]) for id, e in self.held.items() if id[0] == letter and id != old)
        if live + cost(text) > self.budgets[letter]:
            return Refusal.OVER_BUDGET
        if old:
            gone = self.held.pop(old)
            if letter == "g":
                self.past[old] = gone
        if letter == "g":
            self.make_room(text)
        self.serial[letter] += 1
        id = f"{letter}{self.serial[letter]}"
        self.held[id] = {"text": text, "said": said, "stamp": stamp, "replaces": old}
        return ((id,), (old,) if old else ())

    def make_room(self, text):
        while self.used("g") + cost(text) > self.budgets["g"]:
            del self.past[next(iter(self.past))]

    def repeats(self, letter, text, said, stamp):
        mine = [e for id, e in self.held.items() if id[0] == letter]
        if letter == "g":
            return said in [e["said"] for e in mine]
        source = stamp.observation_id
        return bool(source) and (source, text) in [(e["stamp"].observation_id, e["text"]) for e in mine]

    def remove(self, id):
        if id not in self.held:
            return Refusal.UNKNOWN_ID
        before = self.held.pop(id)["replaces"]
        while id[0] == "g" and before in self.past:
            before = self.past.pop(before)["replaces"]
        return ((), (id,))


def random_op(rng, oracle):
    """An op that makes sense most of the time, and a stamp."""
    ids = list(oracle.held) if rng.random() < 0.85 else [f"{rng.choice('tga')}{rng.randint(0, 40)}"]
    id, text = rng.choice(ids or ["t1"]), rng.choice(TEXTS)
    kind = rng.choices(["write", "overwrite", "forget", "link", "relink", "unlink", "keep", "retrieve"], WEIGHTS)[0]
    store = rng.choice(["token", "archive", "graph"])
    op = {
        "write": Write(text, store),
        "overwrite": Overwrite(id, text),
        "forget": Forget(id),
        "link": Link(rng.choice(NAMES), rng.choice(["knows", "holds", " "]), rng.choice(NAMES)),
        "relink": Relink(id, rng.choice(NAMES)),
        "unlink": Unlink(id),
        "keep": Keep(),
        "retrieve": Retrieve(text, store, rng.randint(0, 3), rng.randint(0, 2)),
    }[kind]
    stamp = Stamp(step=rng.randint(0, 99), observation_id=rng.choice(["", "o1", "o2"]), trust=rng.choice([0.5, 1]))
    return op, stamp


WEIGHTS = [22, 15, 10, 18, 18, 9, 3, 5]


def check(memory, oracle, op, stamp):
    """Do one op in both; AssertionError where they part."""
    result = memory.apply(op, stamp)
    if isinstance(op, Retrieve):
        assert len(result.hits) <= max(op.k, 0)
        assert all(
            memory.get(hit.id).text == hit.text and memory.get(hit.id).used_at == stamp.step for hit in result.hits
        )
    elif isinstance(op, Keep):
        assert result == OpResult()
    else:
        assert (result.refused or (result.created, result.removed)) == oracle.do(op, stamp), op
    compare(memory, oracle)


def compare(memory, oracle):
    """AssertionError unless both hold the same."""
    assert [(e.id, e.text, e.stamp, e.replaces) for e in memory.entries()] == oracle.view()
    assert memory.tokens_used == sum(oracle.used(letter) for letter in oracle.budgets)
    assert len(memory) == len(oracle.held)
