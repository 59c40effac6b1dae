"""A decision carried out: its ops in memory, the stamp of what they write, and the record of what came of it."""

from __future__ import annotations

from dataclasses import replace

from memory_stores.memory import AgentMemory
from memory_stores.types import Hit, Keep, Overwrite, Stamp, Write
from memrl.contracts.types import Decision, Observation, OpDecision


def carry_out(
    memory: AgentMemory, observation: Observation, decision: Decision, decisions: list[Decision]
) -> tuple[Hit, ...]:
    """Apply the decision's ops and record it, with what they made; what was found comes back."""
    if isinstance(decision.action, Keep):  # the usual case, and the quick one
        decisions.append(decision)
        return ()
    if isinstance(decision, OpDecision) and decision.note is not None:
        decisions.append(decision)
        return carry_out(memory, observation, decision.note, decisions)
    stamp = provenance(observation, decision, memory)
    results = [memory.apply(op, stamp) for op in decision.ops]
    refused = tuple(i for i, result in enumerate(results) if not result.done)
    if len(results) == 1:
        created, hits = results[0].created, results[0].hits
    else:
        created = tuple(id for result in results for id in result.created)
        hits = tuple(hit for result in results for hit in result.hits)
    decisions.append(_with_outcome(decision, created, refused) if created or refused else decision)
    return hits


def _with_outcome(decision: Decision, created: tuple[str, ...], refused_ops: tuple[int, ...]) -> Decision:
    """The decision, and what came of it. Spelled out where it is made for every op, as ``replace`` takes its time."""
    refused = bool(refused_ops)
    if not isinstance(decision, OpDecision):
        return replace(decision, created=created, refused=refused, refused_ops=refused_ops)
    return OpDecision(
        actor=decision.actor,
        action=decision.action,
        memory_hash=decision.memory_hash,
        offers=decision.offers,
        choice=decision.choice,
        logprob=decision.logprob,
        created=created,
        refused=refused,
        note=decision.note,
    )


def provenance(observation: Observation, decision: Decision, memory: AgentMemory) -> Stamp:
    """The stamp of what a decision writes, memory being as it was before.

    What stands in the observation is believed as that is. Words of an actor's own may rest on all that it had in view,
    so they are believed as the least of it: a note about a doubtful note does not become a sure one.
    """
    seen = observation
    stamp = Stamp(step=seen.step, observation_id=seen.id, writer=decision.actor, trust=seen.trust)
    if isinstance(decision, OpDecision) or memory.token is None:  # offers are made of the observation's own words
        return stamp
    own = any(isinstance(op, Write | Overwrite) and op.text not in observation.text for op in decision.ops)
    least = min((item.stamp.trust for item in memory.token.entries()), default=1.0)
    return replace(stamp, trust=min(stamp.trust, least)) if own else stamp
