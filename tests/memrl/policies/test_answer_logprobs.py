"""How likely a given answer is, to a model and to the reader without error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from policy_samples import ask, plain_logprobs, tiny_policy

from memrl.contracts.types import Task
from memrl.policies.oracle_reader import EPS, OracleReader


def test_a_model_scores_given_answers_as_a_plain_forward_pass_does():
    policy = tiny_policy(batch_tokens=64)
    requests = [ask(lines=["the lantern is here"]), ask("Where?"), ask(lines=["one", "two words"])]
    answers = ["attic", "unknown", "x"]
    found = policy.answer_logprobs(requests, answers)
    for request, answer, logprob in zip(requests, answers, found, strict=True):
        prompt = policy.renderer.render(request).ids
        said = [*policy.tokenizer(f" {answer}", add_special_tokens=False)["input_ids"], policy.tokenizer.eos_token_id]
        assert logprob == pytest.approx(sum(plain_logprobs(policy, prompt, said)), abs=1e-3)


def test_no_answers_are_no_scores():
    assert tiny_policy().answer_logprobs([], []) == []


@dataclass
class Attic:
    name: str = "toy"

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str:
        return "attic" if "o0" in seen else "unknown"

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        return frozenset({"o0"}) - held


def test_the_exact_reader_is_all_but_sure_of_what_its_view_supports():
    reader = OracleReader({"toy": Attic()})  # pyright: ignore[reportArgumentType]
    seen, blind = ask(lines=["the lantern is in the attic"]), ask()
    found = reader.answer_logprobs([seen, seen, blind], ["attic", "cellar", "attic"])
    assert found == pytest.approx([math.log(1 - EPS), math.log(EPS), math.log(EPS)])
