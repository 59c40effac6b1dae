"""A short SFT of the reader on answers that an exact reader gives, through TRL's public ``SFTTrainer``."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import torch

from memrl.config import WarmStartConfig
from memrl.policies.hf import HFPolicy
from memrl.policies.prompts import as_user, render
from memrl.protocols import ReadingLesson

OnStep = Callable[[float | None], None]
"""Called after each optimiser step with the loss, where it was logged."""


def warm_start(
    policy: HFPolicy,
    lessons: Sequence[ReadingLesson],
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
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    class Report(TrainerCallback):
        def on_step_end(self, args: object, state: object, control: object, **kwargs: object) -> None:
            if on_step is not None:
                on_step(None)

    disable_progress_bars()
    logging.getLogger("trl").setLevel(logging.ERROR)
    rows = [_row(one, policy.chat) for one in lessons]
    with tempfile.TemporaryDirectory(prefix="memrl-sft-") as scratch:
        arguments = SFTConfig(
            output_dir=scratch,
            max_steps=config.steps,
            per_device_train_batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=2,
            completion_only_loss=True,
            bf16=policy.model.dtype is torch.bfloat16,
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
        trainer = SFTTrainer(
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


def _row(lesson: ReadingLesson, chat: bool) -> dict[str, Any]:
    """One lesson in TRL's prompt and completion form."""
    prompt = render(lesson.lines, lesson.question)
    if not chat:
        return {"prompt": prompt, "completion": f" {lesson.answer}"}
    return {"prompt": as_user(prompt), "completion": [{"role": "assistant", "content": lesson.answer}]}
