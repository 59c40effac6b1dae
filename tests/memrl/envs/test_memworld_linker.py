"""How much of MemWorld the pattern linker finds, on names and phrasings of the evaluation split."""

import pytest

from memory_stores.pattern_linker import PatternLinker
from memrl.envs.memworld.events import Assert, Contradict, Distract, Link, Retract, Unlink
from memrl.envs.memworld.presets import everything, keep_four, path_world
from memrl.envs.memworld.program import write_program

RELATION = {
    "location": "in", "carrier": "carried by", "owner": "belongs to", "boss": "works for", "teacher": "taught by",
}  # fmt: skip


def lines(split):
    for theta in (keep_four(), path_world(), everything()):
        for seed in range(15):
            program = write_program(theta, seed, split)
            yield from zip(program.events, program.texts, strict=True)


@pytest.mark.parametrize("split", ["train", "eval"])
def test_it_finds_nearly_every_fact_and_little_else(split):
    linker, facts, found, proposed = PatternLinker(), 0, 0, 0
    for event, text in lines(split):
        edges = {(e.subject, e.relation, e.object, e.negated) for e in linker.link(text)}
        if isinstance(event, Assert | Link | Retract | Unlink):
            negated = isinstance(event, Retract | Unlink)
            facts += 1
            found += (event.subject, RELATION[event.relation], event.value, negated) in edges
        if not (isinstance(event, Distract) and event.flavour == "foreign"):  # those do state something
            proposed += len([edge for edge in edges if edge[1] != "also called"])
    print(f"{split}: recall {found / facts:.3f}, precision {found / proposed:.3f}")  # noqa: T201
    assert found / facts > 0.9
    assert found / proposed > 0.9


def test_it_leaves_questions_hearsay_and_talk_alone():
    linker, idle, edges = PatternLinker(), 0, 0
    for event, text in lines("eval"):
        talk = isinstance(event, Distract) and event.flavour != "foreign"
        if talk or text.endswith("?") or isinstance(event, Contradict):
            idle, edges = idle + 1, edges + len(linker.link(text))
    assert edges < 0.1 * idle
