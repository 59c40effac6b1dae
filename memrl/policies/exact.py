"""The exact reader as a run's policy: what a controller learns and earns with no language model in the loop."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from memrl.contracts.contexts import PolicyContext
from memrl.contracts.registry import register
from memrl.policies.models import resolve
from memrl.policies.oracle_reader import OracleReader

COUNTS_KEPT = 65_536
"""Texts whose tokens are counted once."""
_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactOptions:
    """Of the policy "exact"."""

    loads_model: ClassVar[bool] = False
    tokenizer: str = ""
    """A model whose tokenizer counts what budgets are made of: a name of ``memrl models``, a folder, a hub id. Empty
    counts words and punctuation marks."""


class Exact(OracleReader):
    """Answers what the observations behind the view support, and counts tokens.

    Raises:
        ModelError: no such tokenizer.
    """

    def __init__(self, context: PolicyContext, options: ExactOptions) -> None:
        super().__init__({context.task_source.name: context.task_source})
        self._tokenizer, self._counted = None, dict[str, int]()
        if options.tokenizer:
            from transformers import AutoTokenizer

            self._tokenizer = AutoTokenizer.from_pretrained(resolve(options.tokenizer))

    def count_tokens(self, text: str) -> int:
        if self._tokenizer is None:
            return len(_TOKEN.findall(text))
        count = self._counted.get(text)
        if count is None:
            if len(self._counted) >= COUNTS_KEPT:
                self._counted.clear()
            count = self._counted[text] = len(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        return count


register("policy", "exact", Exact, ExactOptions)
