"""A short SFT on texts that are known to be right: of a language model through TRL's public ``SFTTrainer``, of any
other trainable policy through its own ``answer_rows`` and ``token_logprobs``."""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from memrl.algos.losses import answer_loss
from memrl.contracts.capabilities import Example, ReadingLesson
from memrl.contracts.config import WarmStartConfig
from memrl.policies.prompts import as_user, render, render_prompt

if TYPE_CHECKING:
    from memrl.policies.hf import HFPolicy

IGNORED = -100
"""The label of a token that is not to be learned."""

OnStep = Callable[[], None]
"""Called after each optimiser step."""


def warm_start(
    policy: HFPolicy,
    lessons: Sequence[ReadingLesson | Example],
    config: WarmStartConfig,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> None:
    """Train the LoRA weights on ``config.steps`` batches of lessons; loss on the answers only.

    The prompt is the one that ``HFPolicy.act`` reads, token for token; the completion is one blank and the answer,
    which TRL ends with the end-of-text token, or the assistant's turn of the chat template.

    Raises:
        ValueError: there are no lessons.
    """
    if not lessons:
        raise ValueError("warm_start: no lessons; set warm_start.steps = 0 for an environment without any")
    from datasets import Dataset, disable_progress_bars
    from transformers import PrinterCallback, TrainerCallback
    from trl.trainer.sft_trainer import SFTTrainer

    class AnswersOnly(SFTTrainer):
        """The same loss through the policy's own pass, which puts the LM head on the answers alone."""

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            logprobs_RA, mask_RA = policy.token_logprobs(list(_rows(inputs)))
            loss = answer_loss(logprobs_RA, mask_RA, 1.0 / mask_RA.sum())
            return (loss, {"logprobs": logprobs_RA}) if return_outputs else loss

    class Report(TrainerCallback):
        def on_step_end(self, args: object, state: object, control: object, **kwargs: object) -> None:
            if on_step is not None:
                on_step()

    disable_progress_bars()
    logging.getLogger("trl").setLevel(logging.ERROR)
    ordered, alike = shuffled_views(lessons, seed)
    rows = [_row(one, policy) for one in ordered]
    with tempfile.TemporaryDirectory(prefix="memrl-sft-") as scratch:
        arguments = _arguments(scratch, config, seed, policy, in_order=alike)
        trainer = AnswersOnly(
            model=policy.model,
            args=arguments,
            train_dataset=Dataset.from_list(rows),
            processing_class=policy.tokenizer,
            callbacks=[Report()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    policy.model.eval()
    policy.bump()


def shuffled_views(
    lessons: Sequence[ReadingLesson | Example], seed: int
) -> tuple[Sequence[ReadingLesson | Example], bool]:
    """Lessons over one view side by side, so that a batch reads it once, the views in a random order.

    Returns:
        The lessons as they came and False where no two share a view.
    """
    views: dict[object, list[ReadingLesson | Example]] = {}
    for place, one in enumerate(lessons):
        lines = one.lines if isinstance(one, ReadingLesson) else tuple(line.text for line in one.request.view)
        views.setdefault(lines or place, []).append(one)
    if len(views) == len(lessons):
        return lessons, False
    held = list(views.values())
    return [one for i in np.random.default_rng([seed, 0x51E]).permutation(len(held)) for one in held[i]], True


def _row(lesson: ReadingLesson | Example, policy: HFPolicy) -> dict[str, Any]:
    """One lesson in TRL's prompt and completion form, or as ids: a chat template may have tools, or a background."""
    match lesson:
        case ReadingLesson():
            prompt, text = render(lesson.lines, lesson.question), lesson.answer
        case Example() if policy.chat:
            asked = policy.renderer.render(lesson.request).ids
            said = policy.renderer.completion(lesson.request, lesson.text)
            return {"input_ids": [*asked, *said], "completion_mask": [0] * len(asked) + [1] * len(said)}
        case Example():
            prompt, text = render_prompt(lesson.request), lesson.text
    if not policy.chat:
        return {"prompt": prompt, "completion": f" {text}"}
    return {"prompt": as_user(prompt), "completion": [{"role": "assistant", "content": text}]}


def _rows(inputs: Mapping[str, torch.Tensor]) -> Iterator[tuple[list[int], list[int]]]:
    """TRL's padded batch back to pairs of prompt and answer ids."""
    for ids, labels, mask in zip(inputs["input_ids"], inputs["labels"], inputs["attention_mask"], strict=True):
        real = mask.bool()
        answer = labels[real] != IGNORED
        yield ids[real][~answer].tolist(), ids[real][answer].tolist()


def _arguments(scratch: str, config: WarmStartConfig, seed: int, policy: HFPolicy, in_order: bool) -> Any:
    """TRL's settings: no reports, no files that outlive the call, no precision but the model's own."""
    from trl.trainer.sft_config import SFTConfig

    return SFTConfig(
        output_dir=scratch,
        max_steps=config.steps,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=min(10, config.steps // 10),
        train_sampling_strategy="sequential" if in_order else "group_by_length",
        completion_only_loss=True,
        bf16=False,
        fp16=False,
        gradient_checkpointing=False,
        use_cpu=next(policy.parameters()).device.type == "cpu",
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        seed=seed,
        max_length=None,
    )


def teach(
    policy: Any,
    examples: Sequence[Example],
    config: WarmStartConfig,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> None:
    """The same for a policy that is no transformers model: AdamW on the mean over tokens, at TRL's rates.

    Args:
        policy: a ``TrainablePolicy`` that has ``answer_rows(requests, texts)`` as well, and may have ``taught()``: a
            context in which it reads as one that is taught.

    Raises:
        ValueError: there are no examples.
    """
    if not examples:
        raise ValueError("teach: no examples; set warm_start.steps = 0 for an environment without any")
    rows = policy.answer_rows([one.request for one in examples], [one.text for one in examples])
    optimizer = torch.optim.AdamW(policy.parameters(), lr=config.learning_rate, weight_decay=0.0)
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)  # of networks that draw while they are taught
    order: list[int] = []
    for step in range(config.steps):
        while len(order) < config.batch_size:
            order += rng.permutation(len(rows)).tolist()
        batch, order = order[: config.batch_size], order[config.batch_size :]
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * share(step, config.steps)
        with policy.taught() if hasattr(policy, "taught") else nullcontext():
            logprobs_RA, mask_RA = policy.token_logprobs([rows[i] for i in batch])
        optimizer.zero_grad()
        answer_loss(logprobs_RA, mask_RA, 1.0 / mask_RA.sum()).backward()
        torch.nn.utils.clip_grad_norm_(list(policy.parameters()), 1.0)
        optimizer.step()
        if on_step is not None:
            on_step()
    optimizer.zero_grad()
    policy.bump()


def share(step: int, steps: int) -> float:
    """Of the learning rate at an optimiser step: up along a line over the first, then down along a cosine."""
    rise = min(10, steps // 10)
    return step / rise if step < rise else 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
