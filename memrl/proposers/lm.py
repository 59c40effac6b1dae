"""P2: the policy's own language model writes the task's JSON, where only legal levels can be sampled.

    base task, tasks that taught something, proven rules, failing skills ─> prompt ─> the JSON, gap by gap

It may see the world, never the solver's memory. What it is paid goes into the same weights, in the same update.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from memrl.algos.losses import clipped_surrogate
from memrl.algos.role_baseline import role_advantages
from memrl.contracts.checks import check
from memrl.contracts.contexts import ProposerContext
from memrl.contracts.generation import ONLY, AuxiliaryLoss, Proposal, Turn
from memrl.contracts.registry import register
from memrl.contracts.types import Say, Task, TokenDecision
from memrl.proposers.form import Form, to_json
from memrl.proposers.space import TaskSpace

if TYPE_CHECKING:
    from torch import Tensor, nn

# Shapes: A tokens of one text.

REFERENCES = 6
"""Tasks in the prompt, as many as Absolute Zero shows (``azr.data_selection.io_n``)."""
KEPT = 64
"""References to choose from."""
SHOWN = 6
"""Failing skills, and proven rules, in the prompt."""
LONGEST_RULE = 160
PULL = 2.0
"""Weight of what the entropy lacks to its floor."""
CLIP = (0.2, 0.28)


@dataclass(frozen=True, slots=True, kw_only=True)
class LmOptions:
    """Of the proposer "lm"."""

    entropy: float = 0.25
    """Floor of its mean entropy, as a share of an even choice's; 0 for none."""

    def __post_init__(self) -> None:
        check(self, "curriculum.proposer_options.", entropy="[0, 1]")


class Writer(Protocol):
    """What a language model must offer to write under a rule (``policies.hf.HFPolicy`` does)."""

    def encode(self, prompts: Sequence[str]) -> list[tuple[int, ...]]: ...

    def text_ids(self, text: str) -> tuple[int, ...]: ...

    def write_under(self, prompt: Sequence[int], rule: Callable[[Sequence[int]], Sequence[int]], seed: int) -> Any:
        """``.ids`` and ``.logprobs`` of one text."""
        ...

    def allowed_logprobs(
        self, prompt: Sequence[int], ids: Sequence[int], allowed: Sequence[Sequence[int]]
    ) -> tuple[Tensor, Tensor]: ...


class Reference(NamedTuple):
    """A task that was worth playing."""

    text: str
    """Its JSON, axes as in the base task left out."""
    signature: str
    reward: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Text:
    """How one task was written."""

    decision: TokenDecision
    allowed: tuple[tuple[int, ...], ...]
    """[A] what was on offer at each token."""


class LmProposer:
    """The contract ``protocols.TaskProposer``, by a language model.

    Args:
        signature: key of the skills that a task asks for.
        examples: tasks shown until others have taught something.
        trained: False leaves the model as it is: it proposes and learns nothing from it.
        entropy_floor: least mean entropy of a choice, as a share of the even choice's; below it the loss pulls up.
    """

    learning_rate = 0.0
    """It has no weights of its own: the policy's are trained at the policy's rate."""

    def __init__(
        self, writer: Writer, space: TaskSpace, signature: Callable[[Task], str], examples: Sequence[Task],
        seed: int = 0, *, trained: bool = True, entropy_floor: float = 0.25,
    ) -> None:  # fmt: skip
        self._writer, self._space, self._signature = writer, space, signature
        self._trained, self.entropy_floor = trained, entropy_floor
        self._rng = np.random.default_rng([seed, 0x1A9E])
        self._baseline: float | None = None
        self._references = [self._reference(task, 0.0) for task in examples]

    def propose(self, count: int, failures: Sequence[str]) -> list[Proposal]:
        """``count`` legal tasks. ``failures``: signatures, the worst first; a proven rule may follow after ": "."""
        prompt = self._writer.encode([self.prompt(failures)])[0]
        return [self._propose(prompt) for _ in range(count)]

    def prompt(self, failures: Sequence[str]) -> str:
        """What the model reads before it writes."""
        told = [failure.partition(": ") for failure in failures]
        skills = list(dict.fromkeys(skill for skill, _, _ in told))[:SHOWN]
        rules = list(dict.fromkeys(rule[:LONGEST_RULE] for _, _, rule in told if rule))[:SHOWN]
        lines = ["Write one memory task as JSON. It should be neither too easy nor too hard."]
        lines += [f"Base task: {to_json(self._space.base)}", "Tasks that taught something:"]
        lines += [f"- {reference.text}  {reference.signature}" for reference in self._alike(skills)]
        if rules:
            lines += ["Proven rules:", *(f"- {' '.join(rule.split())}" for rule in rules)]
        return "\n".join([*lines, f"Skills that fail: {', '.join(skills) or 'none yet'}", "Task: "])

    def auxiliary_losses(self, judged: Sequence[tuple[Proposal, float]]) -> Sequence[AuxiliaryLoss]:
        """One share of the loss for these (proposal, reward) pairs; the well paid ones become references."""
        if not judged:
            return ()
        rewards = [reward for _, reward in judged]
        advantages, self._baseline = role_advantages(rewards, self._baseline)
        for proposal, reward in judged:
            if reward > 0:
                self._references.append(self._reference(proposal.candidate, reward))
        self._references = self._references[-KEPT:]
        if not self._trained:
            return ()
        return (LmLesson(self, [proposal.trace for proposal, _ in judged], advantages, float(np.mean(rewards))),)

    def read(self, text: Text) -> tuple[Tensor, Tensor]:
        """Log-probabilities [A] of a text's tokens and entropies [A] of its choices, with gradients."""
        return self._writer.allowed_logprobs(text.decision.prompt_ids, text.decision.action_ids, text.allowed)

    def parameters(self) -> Iterator[nn.Parameter]:
        """None of its own."""
        return iter(())

    def state_dict(self) -> dict[str, Any]:
        references = [list(reference) for reference in self._references]
        return {"references": references, "rng": self._rng.bit_generator.state, "baseline": self._baseline}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._references = [Reference(*reference) for reference in state["references"]]
        self._rng.bit_generator.state = state["rng"]
        self._baseline = state["baseline"]

    def _propose(self, prompt: tuple[int, ...]) -> Proposal:
        form = Form(self._space, self._writer.text_ids)
        drawn = self._writer.write_under(prompt, form, int(self._rng.integers(2**31)))
        decision = TokenDecision(
            actor="proposer",
            action=Say(to_json(form.levels)),
            memory_hash="",
            prompt_ids=prompt,
            action_ids=tuple(drawn.ids),
            logprobs=tuple(drawn.logprobs),
        )
        task = self._space.task(form.levels, int(self._rng.integers(2**31)))
        return Proposal(task, Text(decision=decision, allowed=tuple(form.allowed)))

    def _reference(self, task: Task, reward: float) -> Reference:
        levels, base = self._space.axes(task) or {}, self._space.base
        changed = {axis: level for axis, level in levels.items() if level != base[axis]}
        return Reference(to_json(changed), self._signature(task), reward)

    def _alike(self, skills: Sequence[str]) -> list[Reference]:
        """The references that share most words with the failing skills, one a signature; better paid ones first."""
        wanted = _words(" ".join(skills))
        ranked = sorted(self._references, key=lambda r: (-_overlap(_words(r.signature), wanted), -r.reward))
        first = {reference.signature: reference for reference in reversed(ranked)}
        return [reference for reference in ranked if first[reference.signature] is reference][:REFERENCES]


class LmLesson:
    """The proposer's share of an update: a clipped policy gradient over the tokens that it had a choice in."""

    name = "proposer"

    def __init__(self, proposer: LmProposer, texts: Sequence[Text], advantages: Sequence[float], reward: float) -> None:
        self._proposer, self._texts, self._advantages, self._reward = proposer, texts, advantages, reward

    def backward(self, turn: Turn = ONLY) -> Mapping[str, float]:
        """Mean over all choices of all texts; one text's activations at a time."""
        choices = sum(len(offered) > 1 for text in self._texts for offered in text.allowed)
        most = sum(float(np.log(len(offered))) for text in self._texts for offered in text.allowed)
        loss, entropy, clipped = 0.0, 0.0, 0
        lacking = self._lacks_entropy(most)
        for text, advantage in zip(self._texts, self._advantages, strict=True):
            part, spread, bound = self._read_one(text, advantage)
            total = part / max(1, choices)
            if lacking:
                total = total - PULL * spread / max(1e-8, most)
            total.backward()
            loss, entropy, clipped = loss + part.item(), entropy + spread.item(), clipped + bound
        return {
            "loss": loss / max(1, choices),
            "entropy": entropy / most if most else 1.0,
            "reward": self._reward,
            "clip_fraction": clipped / max(1, choices),
        }

    def _read_one(self, text: Text, advantage: float) -> tuple[Tensor, Tensor, int]:
        """Sum of the surrogate over a text's choices, sum of their entropies, and how often the clip bound."""
        import torch

        logprobs_A, entropy_A = self._proposer.read(text)
        old_A = torch.tensor(text.decision.logprobs, device=logprobs_A.device)
        has_choice_A = torch.tensor([len(offered) > 1 for offered in text.allowed], device=logprobs_A.device)
        surrogate = clipped_surrogate(logprobs_A, old_A, torch.full_like(old_A, advantage), *CLIP)
        return (surrogate.loss * has_choice_A).sum(), entropy_A.sum(), int(surrogate.clipped.sum())

    def _lacks_entropy(self, most: float) -> bool:
        """Whether the texts as written, ``-log p`` each, lie below the floor: known before anything is read again."""
        surprise = -sum(sum(text.decision.logprobs) for text in self._texts)
        return surprise < self._proposer.entropy_floor * most


def _words(text: str) -> frozenset[str]:
    return frozenset(text.replace("+", " ").replace("|", " ").replace(",", " ").split())


def _overlap(one: frozenset[str], two: frozenset[str]) -> float:
    return len(one & two) / max(1, len(one | two))


def _make(context: ProposerContext, options: LmOptions) -> LmProposer:
    return LmProposer(
        context.writer(),
        context.task_generator.space(),
        context.task_generator.signature,
        context.examples,
        context.seed,
        trained=context.policy_trained,
        entropy_floor=options.entropy,
    )


register("proposer", "lm", _make, LmOptions)
