"""The warm start teaches what ``act`` will be asked, token for token, and is quiet about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from policy_samples import ask, tiny_policy
from rows_read import rows_read

from memrl.contracts.capabilities import Example, ReadingLesson
from memrl.contracts.config import PolicyConfig, WarmStartConfig
from memrl.contracts.protocols import Brief
from memrl.contracts.types import Tool
from memrl.policies.hf import HFPolicy
from memrl.policies.tiny import tiny_model
from memrl.policies.warm_start import shuffled_views, warm_start

LESSONS = [
    ReadingLesson(("The lantern is in the attic.",), "Where is the lantern?", "attic"),
    ReadingLesson((), "Where is the rope?", "unknown"),
]
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% if m['role'] == 'assistant' %}<eos>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def seen_by(policy: HFPolicy, steps: int = 1, **knobs: Any) -> list[list[int]]:
    """The rows of ids that the model reads in a warm start, padding cut off."""
    config = WarmStartConfig(steps=steps, batch_size=2, **knobs)
    return rows_read(policy, lambda: warm_start(policy, LESSONS, config))


def prompts_of(policy: HFPolicy) -> list[tuple[int, ...]]:
    return [d.prompt_ids for d in policy.sample([ask(one.question, one.lines) for one in LESSONS])]


def test_lessons_begin_with_the_ids_that_act_reads_and_end_with_the_end_of_text() -> None:
    policy = tiny_policy()
    answers = [policy.tokenizer(text)["input_ids"] for text in (" attic", " unknown")]
    eos = policy.tokenizer.eos_token_id
    expected = [[*p, *answer, eos] for p, answer in zip(prompts_of(policy), answers, strict=True)]
    assert sorted(seen_by(policy)) == sorted(expected)


def test_the_chat_layout_is_taught_as_it_is_asked() -> None:
    model, tokenizer = tiny_model(3)
    tokenizer.chat_template = TEMPLATE
    policy = HFPolicy(PolicyConfig(prompt="chat", lora_rank=2), model=model, tokenizer=tokenizer)
    answers = [tokenizer(text)["input_ids"] for text in ("attic", "unknown")]
    eos = tokenizer.eos_token_id
    expected = [[*p, *answer, eos] for p, answer in zip(prompts_of(policy), answers, strict=True)]
    assert sorted(seen_by(policy)) == sorted(expected)


def test_a_call_of_a_tool_is_taught_under_the_template_s_own_list_of_tools() -> None:
    model, tokenizer = tiny_model(3)
    tokenizer.chat_template = "{% if tools %}{{ tools[0]['function']['name'] }}!{% endif %}" + TEMPLATE
    policy = HFPolicy(PolicyConfig(prompt="chat", lora_rank=2), model=model, tokenizer=tokenizer)
    brief = Brief(header="Find it.", tools=(Tool(name="search", about="finds", parameters=(("query", "string"),)),))
    asked = [replace(ask("Where?", ("It <eos> rains.",)), brief=brief), replace(ask("Who?"), brief=brief)]
    lessons = [Example(one, f"search(query={n})") for n, one in enumerate(asked)]
    rows = rows_read(policy, lambda: warm_start(policy, lessons, WarmStartConfig(steps=1, batch_size=2)))
    prompts = [decision.prompt_ids for decision in policy.sample(asked)]
    expected = [
        [*p, *policy.renderer.completion(one.request, one.text)] for p, one in zip(prompts, lessons, strict=True)
    ]
    assert sorted(rows) == sorted(expected) and tokenizer.decode(prompts[0]).startswith("search!")


def test_a_warm_start_teaches_the_answers_and_empties_the_cache(capfd: pytest.CaptureFixture[str]) -> None:
    policy = tiny_policy(stirred=False, lora_rank=16)
    asked = [ask(one.question, one.lines, greedy=True) for one in LESSONS]
    before = policy.sample(asked)
    ticks: list[object] = []
    config = WarmStartConfig(steps=160, batch_size=2, learning_rate=0.01)
    warm_start(policy, LESSONS, config, on_step=lambda: ticks.append(None))
    rows = [
        (d.prompt_ids, [*policy.tokenizer(f" {one.answer}")["input_ids"], 0])
        for d, one in zip(before, LESSONS, strict=True)
    ]
    with torch.no_grad():
        logprobs, mask = policy.token_logprobs(rows)
        with policy.reference():
            untaught, _ = policy.token_logprobs(rows)
    # This random model's tied head can say no more than that; greedily it is enough for the answers' first letters.
    assert (logprobs - untaught)[mask].mean() > 0.5
    texts = [policy.tokenizer.decode(d.action_ids) for d in policy.sample(asked)]
    assert [text.strip()[:3] for text in texts] == ["att", "unk"]
    assert policy.version == 1 and len(ticks) == 160
    assert capfd.readouterr().out == ""


def test_a_bf16_base_is_left_alone_and_lora_stays_fp32() -> None:
    policy = tiny_policy(stirred=False, dtype="bfloat16")
    base = {name: p.detach().clone() for name, p in policy.model.named_parameters() if "lora_" not in name}
    lora = [p.detach().clone() for p in policy.parameters()]
    seen_by(policy, steps=3)
    now = dict(policy.model.named_parameters())
    assert all(torch.equal(weight, now[name]) and now[name].dtype is torch.bfloat16 for name, weight in base.items())
    assert {p.dtype for p in policy.parameters()} == {torch.float32}
    assert any(not torch.equal(a, b) for a, b in zip(lora, policy.parameters(), strict=True))
    assert isinstance(policy.sample([ask(seed=1)])[0].logprobs, tuple)
    assert not policy.model.training


def test_no_lessons_is_an_error_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"warm_start\.steps = 0"):
        warm_start(tiny_policy(), [], WarmStartConfig())


def test_lessons_over_one_view_stay_together_in_an_order_of_the_seed():
    lessons = [ReadingLesson((f"line {i // 2}",), f"question {i}", "cellar") for i in range(40)]
    ordered, alike = shuffled_views(lessons, 3)
    assert alike and sorted(ordered, key=lessons.index) == lessons
    assert all(ordered[i].lines == ordered[i + 1].lines for i in range(0, 40, 2))
    assert ordered != lessons
    assert shuffled_views(lessons, 3) == (ordered, True) and shuffled_views(lessons, 4)[0] != ordered


def test_lessons_without_a_view_in_common_are_left_as_they_are():
    lessons = [ReadingLesson((f"line {i}",), "question", "cellar") for i in range(4)]
    lessons += [ReadingLesson((), f"question {i}", "unknown") for i in range(4)]
    assert shuffled_views(lessons, 0) == (lessons, False)
