"""Edits of one op that might have kept what a question wanted, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from memory_stores.types import Forget, Keep, Link, Overwrite, Relink, Retrieve, Unlink, Write
from memrl.contracts.types import OfferSet, OpDecision
from memrl.reflectors.evidence import Evidence, Loss, Missing


class Edit(NamedTuple):
    """Another of the offers, at one decision."""

    step: int
    """Index into the episode's steps."""
    place: int
    """Index into the step's decisions."""
    decision: OpDecision
    better: int
    why: Missing


Worthless = Callable[[OfferSet, int], bool]
"""Whether what an offer gives up (the entry it touches; for Keep the text) is plainly of no use, as the agent itself
could see."""


def edits_for(evidence: Evidence, most: int, worthless: Worthless) -> list[Edit]:
    """At most ``most`` edits, spread over what was missing before a second try at any of it; no edit twice."""
    queues = [list(_edits(evidence, missing, worthless)) for missing in evidence.missing]
    found: dict[tuple[int, int, int], Edit] = {}
    while any(queues) and len(found) < most:
        for queue in queues:
            if queue and len(found) < most:
                edit = queue.pop(0)
                found.setdefault((edit.step, edit.place, edit.better), edit)
    return list(found.values())


def _edits(evidence: Evidence, missing: Missing, worthless: Worthless) -> Iterator[Edit]:
    written, lost = evidence.losses(missing)
    for loss in reversed(lost):
        yield from _at_loss(evidence, missing, loss, worthless)
    if not written:
        yield from _at_source(evidence, missing, worthless)
    elif not lost:
        yield from _at_question(evidence, missing)


def _at_source(evidence: Evidence, missing: Missing, worthless: Worthless) -> Iterator[Edit]:
    """It was never written: write it, else in the place of what is wanted last."""
    decisions = evidence.episode.steps[missing.source].decisions
    ops = [(place, decision) for place, decision in enumerate(decisions) if isinstance(decision, OpDecision)]
    for place, decision in ops[-1:]:
        offers = decision.offers.ops
        plain = [i for i, op in enumerate(offers) if isinstance(op, Write | Link | Relink)]
        for i in plain or _spared(evidence, decision, missing.source, (Overwrite,), worthless):
            yield Edit(missing.source, place, decision, i, missing)


def _at_loss(evidence: Evidence, missing: Missing, loss: Loss, worthless: Worthless) -> Iterator[Edit]:
    """It was written and taken away: take something else, or nothing."""
    decision = evidence.episode.steps[loss.step].decisions[loss.place]
    assert isinstance(decision, OpDecision)
    offers = decision.offers.ops
    if isinstance(decision.action, Overwrite):
        kept = [i for i, op in enumerate(offers) if isinstance(op, Write)]
        kept += _spared(evidence, decision, loss.step, (Overwrite,), worthless)
    elif isinstance(decision.action, Unlink):
        kept = _spared(evidence, decision, loss.step, (Unlink,), worthless)
    else:
        kept = _spared(evidence, decision, loss.step, (Forget,), worthless)
    keep = [i for i, op in enumerate(offers) if isinstance(op, Keep)]
    # A fact that nobody happened to ask for was still worth its place: only what is of no use at all may be let go.
    idle = evidence.next_use(loss.step, loss.step) == float("inf") and all(worthless(decision.offers, i) for i in keep)
    for i in (*keep, *kept) if idle else (*kept[:1], *keep, *kept[1:]):
        if i != decision.choice:
            yield Edit(loss.step, loss.place, decision, i, missing)


def _at_question(evidence: Evidence, missing: Missing) -> Iterator[Edit]:
    """It was in memory but out of view: retrieve."""
    for place, decision in enumerate(evidence.episode.steps[missing.question].decisions):
        if isinstance(decision, OpDecision):
            for i, op in enumerate(decision.offers.ops):
                if isinstance(op, Retrieve) and i != decision.choice:
                    yield Edit(missing.question, place, decision, i, missing)


def _spared(
    evidence: Evidence, decision: OpDecision, step: int, kinds: tuple[type, ...], worthless: Worthless
) -> list[int]:
    """OfferSet of these kinds by what they would take: what is wanted last goes first, of equals what is plainly of no
    use, then what is oldest.

    Belady's rule in hindsight, as far as the evidence knows what will be asked.
    """

    def key(i: int) -> tuple[float, bool, int]:
        source = evidence.source_of.get(getattr(decision.offers.ops[i], "id", ""), -1)
        return -evidence.next_use(source, step), not worthless(decision.offers, i), source

    offers = decision.offers.ops
    return sorted((i for i, op in enumerate(offers) if isinstance(op, kinds) and i != decision.choice), key=key)
