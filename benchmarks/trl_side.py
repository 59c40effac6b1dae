"""TRL's side of ``vs_trl.py``: stock ``GRPOTrainer`` over whole conversations, through its ``rollout_func``.

The append-only way: an episode is one row. Every observation stays in the prompt, every answer is sampled with all of
them in the KV cache, and the loss falls on the answers' tokens (``env_mask``). ``environment_factory`` would need tool
calls for every observation, which a 135M base model cannot write, so ``rollout_func`` serves TRL better.

What is done in TRL's favour: nothing is read twice (one cache grows with the conversation), siblings share the reading
of what comes before the first answer, LoRA is folded into the base while sampling, telling steps after the last
question are not read, gradient checkpointing is off, and micro-batches take as many rows as memrl's token budget lets.

What stock TRL does on a CPU and no public setting changes: its LM head scores every position of a row, those of the
observations too, in fp32 (on CUDA only the labelled ones, all of the completion), and rows with no advantage are read.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from transformers import DynamicCache, TrainerCallback
from trl import GRPOConfig, GRPOTrainer  # pyright: ignore[reportPrivateImportUsage]

from memrl.contracts.config import TrainConfig
from memrl.contracts.protocols import TaskSource
from memrl.contracts.types import Observation, Task
from memrl.policies.hf import HFPolicy
from memrl.policies.loading import SHORT
from memrl.policies.merging import MergedWeights
from memrl.policies.parsing import parse_answer
from memrl.policies.prompts import ANSWER, HEADER
from memrl.policies.rendering import line_breaks, text_ends
from memrl.policies.sampling import draw, pad_left

# Shapes: R rows, S new tokens of the longest row, K tokens in the cache.

Record = Callable[[dict[str, float]], None]


class Kit(NamedTuple):
    """What conversations are made with."""

    config: TrainConfig
    task_source: TaskSource
    policy: HFPolicy
    stops: Tensor
    """Ids that end an answer, the same as memrl's."""


class Conversation:
    """One episode as one growing row of ids. ``pending`` is what the model has not read yet."""

    def __init__(self, kit: Kit, task: Task) -> None:
        self._kit, self._env = kit, kit.task_source.make(task)
        self.ids: list[int] = list(kit.policy.encode([HEADER + "\n"])[0])
        self.pending = list(self.ids)
        self.sampled = [False] * len(self.ids)
        self.logprobs = [0.0] * len(self.ids)
        self.scores: list[float] = []
        self.asked = self._hear(self._env.start())

    def answer(self, ids: Sequence[int], logprobs: Sequence[float]) -> None:
        """Take up a sampled answer, let the environment judge it, hear on to the next question."""
        self._append(ids, logprobs)
        self.pending = [ids[-1]]  # drawn last, so not in the cache yet
        text = self._kit.policy.tokenizer.decode(ids, skip_special_tokens=True)
        outcome = self._env.step(parse_answer(text))
        self.scores.append(outcome.reward)
        if not text.endswith("\n"):
            self._say("\n")
        self.asked = outcome.next is not None and self._hear(outcome.next)

    def _hear(self, observation: Observation | None) -> bool:
        """Append what is told, up to and with the next question; False where none comes."""
        while observation is not None:
            if observation.is_question:
                self._say(f"Question: {observation.text}\n{ANSWER}")
                return True
            self._say(f"- {observation.text}\n")
            observation = self._env.step(None).next
        return False

    def _say(self, text: str) -> None:
        ids = self._kit.policy.tokenizer(text, add_special_tokens=False)["input_ids"]
        self.pending += ids
        self._append(ids, None)

    def _append(self, ids: Sequence[int], logprobs: Sequence[float] | None) -> None:
        self.ids += ids
        self.sampled += [logprobs is not None] * len(ids)
        self.logprobs += logprobs if logprobs is not None else [0.0] * len(ids)

    def as_row(self) -> dict[str, Any]:
        """What TRL wants: the prompt ends where the first answer begins, the completion with the last sampled token."""
        first = self.sampled.index(True)
        end = len(self.sampled) - self.sampled[::-1].index(True)
        return {
            "prompt_ids": self.ids[:first],
            "completion_ids": self.ids[first:end],
            "logprobs": self.logprobs[first:end],
            "env_mask": [int(own) for own in self.sampled[first:end]],
            "score": sum(self.scores) / len(self.scores),
        }


class Reading:
    """One KV cache for a batch of conversations; shorter rows are padded on the left of each piece and masked."""

    def __init__(self, model: Any) -> None:
        self._model, self._cache = model, DynamicCache()
        self._mask_RK: Tensor | None = None

    def read(self, pieces: Sequence[Sequence[int]]) -> Tensor:
        """Append one piece a row (it may be empty); logits [R, V] after each row's last token."""
        inputs = pad_left(pieces, self._model.device)
        new, old = inputs["attention_mask"], self._mask_RK
        mask = new if old is None else torch.cat([old, new], dim=1)
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -new.shape[1] :]
        out = self._model(
            input_ids=inputs["input_ids"], attention_mask=mask, position_ids=positions, past_key_values=self._cache,
            use_cache=True, logits_to_keep=1,
        )  # fmt: skip
        self._mask_RK = mask
        return out.logits[:, -1].float()

    def select(self, rows: Sequence[int]) -> None:
        """Keep (and repeat) these rows."""
        assert self._mask_RK is not None
        index = torch.tensor(rows, device=self._mask_RK.device)
        self._cache.batch_select_indices(index)
        self._mask_RK = self._mask_RK[index]


def converse(kit: Kit, model: Any, rows: list[Conversation], seed: Sequence[int]) -> None:
    """Play all conversations to their ends, question by question, in one batch."""
    rng = np.random.default_rng(seed)
    reading = Reading(model)
    openings = list(dict.fromkeys(tuple(row.pending) for row in rows))
    logits = reading.read(openings)
    siblings = [openings.index(tuple(row.pending)) for row in rows]
    reading.select(siblings)
    logits = logits[torch.tensor(siblings, device=logits.device)]
    while rows:
        _answer(kit, reading, rows, logits, rng.integers(2**62, size=len(rows)).tolist())
        going = [i for i, row in enumerate(rows) if row.asked]
        if len(going) < len(rows):
            rows = [rows[i] for i in going]
            if rows:
                reading.select(going)
        if rows:
            logits = reading.read([row.pending for row in rows])


def _answer(kit: Kit, reading: Reading, rows: list[Conversation], logits: Tensor, seeds: list[int]) -> None:
    """Sample one answer a row. A row that has stopped waits; its part of the batch is masked."""
    ids: list[list[int]] = [[] for _ in rows]
    logprobs: list[list[float]] = [[] for _ in rows]
    alive = list(range(len(rows)))
    config = kit.config.policy
    for position in range(config.max_new_tokens):
        tokens, chosen = draw(logits[alive] / config.temperature, [seeds[r] for r in alive], position)
        for r, token, logprob in zip(alive, tokens.tolist(), chosen.tolist(), strict=True):
            ids[r].append(token)
            logprobs[r].append(logprob)
        stopped = torch.isin(tokens, kit.stops).tolist()
        alive = [r for r, over in zip(alive, stopped, strict=True) if not over]
        if not alive or position + 1 == config.max_new_tokens:
            break
        logits = reading.read([ids[r][-1:] if r in alive else [] for r in range(len(rows))])
    for row, i, p in zip(rows, ids, logprobs, strict=True):
        row.answer(i, p)


class StepClock(TrainerCallback):
    """Wall time of each whole step: rollout, rewards, loss, optimiser."""

    def __init__(self, finish: Callable[[float], None]) -> None:
        self._finish, self._started = finish, 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._started = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._finish(time.perf_counter() - self._started)


def row_tokens(kit: Kit, tasks: Sequence[Task]) -> int:
    """The longest row that these tasks can become."""
    limit = kit.config.policy.max_new_tokens

    def length(task: Task) -> int:
        row = Conversation(kit, task)
        while row.asked:
            row.answer([0] * limit, [0.0] * limit)
        return len(row.ids)

    return max(length(task) for task in tasks)


def trainer_config(config: TrainConfig, rows: int, micro: int, steps: int, folder: str, low: bool) -> GRPOConfig:
    """Stock settings, but for what must equal memrl's and what makes TRL faster."""
    return GRPOConfig(
        output_dir=folder, report_to="none", save_strategy="no", disable_tqdm=True, logging_steps=1, max_steps=steps,
        seed=config.seed, use_cpu=not torch.cuda.is_available(), bf16=low, gradient_checkpointing=False,
        per_device_train_batch_size=micro, gradient_accumulation_steps=rows // micro,
        num_generations=config.rollout.group_size, temperature=config.policy.temperature, shuffle_dataset=False,
        learning_rate=config.learner.policy_learning_rate, lr_scheduler_type="constant", beta=config.learner.kl,
        max_grad_norm=config.learner.max_grad_norm, dataloader_pin_memory=False,
    )  # fmt: skip


def rollout_func(kit: Kit, tasks: Sequence[Task], told: dict[str, float]) -> Callable[..., dict[str, Any]]:
    """What ``GRPOTrainer`` calls for a step's episodes; a prompt is the index of its task. ``told`` hears of them."""

    def rollout(prompts: list[str], trainer: GRPOTrainer) -> dict[str, Any]:
        conversations = [Conversation(kit, tasks[int(prompt)]) for prompt in prompts]
        with torch.inference_mode(), MergedWeights(kit.policy.model).in_place():
            seed = [kit.config.seed, trainer.state.global_step]
            converse(kit, kit.policy.model.get_base_model(), conversations, seed)
        rows = [conversation.as_row() for conversation in conversations]
        told["generated"] = sum(sum(row["env_mask"]) for row in rows)
        told["answers"] = sum(len(conversation.scores) for conversation in conversations)
        told["success"] = float(np.mean([row["score"] for row in rows]))
        told["rows"] = len(rows)
        return {name: [row[name] for row in rows] for name in rows[0]}

    return rollout


def reward(score: list[float | None], **_: Any) -> list[float | None]:
    """An episode's share of right answers, as the rollout found it."""
    return score


def train(
    config: TrainConfig, task_source: TaskSource, policy: HFPolicy, steps: Sequence[Sequence[Task]], record: Record
) -> dict[str, Any]:
    """Train on these tasks, ``group_size`` conversations each; ``record`` hears of every step. Returns the settings."""
    kit = Kit(config, task_source, policy, _stops(policy))
    tasks = [task for step in steps for task in step]
    rows, longest = len(steps[0]) * config.rollout.group_size, row_tokens(kit, tasks)
    fits = max(1, config.learner.batch_tokens // longest)
    micro = max(m for m in range(1, rows + 1) if rows % m == 0 and m <= fits)
    if longest <= SHORT and policy.model.device.type == "cpu":
        policy.model.set_attn_implementation("eager")  # as memrl does: faster backwards on a CPU where rows are short
    told: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=policy.model,
            reward_funcs=reward,
            args=trainer_config(config, rows, micro, len(steps), folder, policy.model.dtype is torch.bfloat16),
            train_dataset=Dataset.from_dict({"prompt": [str(i) for i in range(len(tasks))]}),
            processing_class=policy.tokenizer,
            rollout_func=rollout_func(kit, tasks, told),
            callbacks=[StepClock(lambda seconds: record({"seconds": seconds, **told}))],
        )
        trainer.train()
    names = ("reward", "reward_std", "grad_norm", "loss", "completions/mean_length")
    logged = [{name: line[name] for name in names} for line in trainer.state.log_history if "reward" in line]
    attention = policy.model.config._attn_implementation
    return {"rows_a_micro_batch": micro, "longest_row": longest, "attention": attention, "logged": logged}


def _stops(policy: HFPolicy) -> torch.Tensor:
    """Where an answer of one line ends."""
    ends = text_ends(policy.tokenizer, policy.model.get_base_model())
    return torch.tensor(sorted({*ends, *line_breaks(policy.tokenizer)}))
