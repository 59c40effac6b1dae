"""A memory that says a secret in every way there is, and where its bytes stand."""

from __future__ import annotations

import json

from memory_stores import Forget, Link, Overwrite, Relink, Retrieve, Stamp, Write
from memory_stores.durable import Details

SECRET = 'vault "88-12-45"'


def cost(text):
    return len(text.split())


def fill(memory):
    for n in range(50):
        memory.apply(Write(f"plain {n}", "archive"))
    memory.apply(Write(f"The {SECRET.upper()} is mine", "archive"), Stamp(step=1, observation_id="o1"))
    memory.apply(Write(f"{SECRET} stays for a while"))
    memory.apply(Overwrite("t1", "nothing to see"))
    memory.apply(Forget("a51"))
    memory.apply(Write(f"again {SECRET}", "archive"))
    memory.apply(Retrieve(f"where is {SECRET}"))
    memory.apply_all([Link("Ana", "keeps", SECRET), Relink("g1", "a cat"), Link("Bob", "has", "a dog")])
    memory.apply_all([Write("named", "archive")], details=Details(name=f"key {SECRET}", metadata={"x": [SECRET, 1]}))
    memory.apply_all([Write("keyed", "archive"), Write(" ")], Stamp(observation_id=SECRET), key=f"k {SECRET}")
    memory.apply_all([Write("fine", "archive")], key="k")
    memory.search(SECRET, by="vectors")
    memory.undo()


def everywhere(folder, subject):
    """In every file that there is, as a crash at this moment would leave them."""
    escaped = json.dumps(subject, ensure_ascii=False)[1:-1]
    forms = [form.encode() for text in (subject, escaped) for form in (text, text.upper(), text.lower())]
    return [path.name for path in folder.iterdir() for form in forms if form in path.read_bytes()]
