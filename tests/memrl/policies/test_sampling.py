"""Decoding a batch gives every answer what a plain loop gives it: one prompt, whole passes, one token at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from memrl.contracts.config import PolicyConfig
from memrl.policies.frozen_prefix import FrozenPrefix
from memrl.policies.sampling import Drawn, decode, draw, read_prompts

CPU = torch.device("cpu")
VOCABULARY = 300
LLAMA: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip
MODELS: dict[str, Any] = {
    "grouped heads": lambda: LlamaForCausalLM(LlamaConfig(**LLAMA)),
    "eager": lambda: LlamaForCausalLM(LlamaConfig(**LLAMA, attn_implementation="eager")),
    "absolute positions": lambda: GPT2LMHeadModel(
        GPT2Config(vocab_size=VOCABULARY, n_positions=256, n_embd=32, n_layer=2, n_head=4)
    ),
    "a sliding window": lambda: MistralForCausalLM(MistralConfig(**LLAMA, sliding_window=8)),
    "biases by distance": lambda: BloomForCausalLM(
        BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4)
    ),
}
"""The last two cannot have answers side by side in a row."""
PROMPTS = [tuple((7 * i + k) % VOCABULARY for i in range(9 + 4 * k)) for k in range(3)]
GROUPS = [0] * 5 + [2] * 4 + [1] * 5
RAGGED = [1, 0, 1, 1, 2, 1, 1, 1, 1]


def built(name: str) -> Any:
    state = torch.get_rng_state()
    torch.manual_seed(1)
    model = MODELS[name]().eval()
    torch.set_rng_state(state)
    with torch.no_grad():  # sharper than a fresh model, so that answers differ by their prompts
        model.get_output_embeddings().weight.mul_(8)
    return model


def config(**knobs: Any) -> PolicyConfig:
    return PolicyConfig(model="tiny", **({"max_new_tokens": 12} | knobs))


def plainly(model: Any, prompt: Sequence[int], seed: int | None, knobs: PolicyConfig, stops: Sequence[int]) -> Drawn:
    ids: list[int] = []
    logprobs: list[float] = []
    for position in range(knobs.max_new_tokens):
        logits = model(input_ids=torch.tensor([[*prompt, *ids]]), use_cache=False).logits[:, -1]
        token, logprob = draw(logits / knobs.temperature, [seed], position)
        ids.append(int(token))
        logprobs.append(float(logprob))
        if ids[-1] in stops:
            break
    return Drawn(tuple(ids), tuple(logprobs))


def batched(
    model: Any, asked: Sequence[int], seeds: Sequence[int | None], knobs: PolicyConfig, stops: Sequence[int],
    prefix: Sequence[int] = (),
) -> list[Drawn]:  # fmt: skip
    drawn: dict[int, Drawn] = {}
    for batch in read_prompts(model, PROMPTS, 10_000, CPU, FrozenPrefix(tuple(prefix))):
        mine = [r for r, prompt in enumerate(asked) if PROMPTS[prompt] in batch.prompts]
        rows = [batch.prompts.index(PROMPTS[asked[r]]) for r in mine]
        answers = decode(model, batch, rows, [seeds[r] for r in mine], knobs, torch.tensor(stops))
        drawn.update(zip(mine, answers, strict=True))
    return [drawn[r] for r in range(len(asked))]


def close(one: Sequence[Drawn], other: Sequence[Drawn]) -> None:
    assert [a.ids for a in one] == [b.ids for b in other]
    for a, b in zip(one, other, strict=True):
        assert a.logprobs == pytest.approx(b.logprobs, abs=2e-5)


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("asked", [GROUPS, RAGGED], ids=["groups", "ragged"])
@torch.no_grad()
def test_a_batch_decodes_what_a_plain_loop_does(name: str, asked: list[int]):
    model, knobs = built(name), config()
    seeds: list[int | None] = [None if r % 4 == 3 else 2**40 + r for r in range(len(asked))]
    stops = list(range(0, VOCABULARY, 13))  # answers end here and there, and rows with them
    expected = [plainly(model, PROMPTS[p], seed, knobs, stops) for p, seed in zip(asked, seeds, strict=True)]
    assert len({len(answer.ids) for answer in expected}) > 2 and any(len(answer.ids) == 12 for answer in expected)
    close(batched(model, asked, seeds, knobs, stops), expected)


@torch.no_grad()
def test_with_a_known_prefix_and_a_temperature():
    model, knobs = built("grouped heads"), config(temperature=0.6)
    seeds = list(range(len(GROUPS)))
    expected = [plainly(model, PROMPTS[p], seed, knobs, [9]) for p, seed in zip(GROUPS, seeds, strict=True)]
    close(batched(model, GROUPS, seeds, knobs, [9], prefix=PROMPTS[0][:4]), expected)


@torch.no_grad()
def test_long_answers_grow_the_cache():
    model, knobs = built("grouped heads"), config(max_new_tokens=90)
    expected = [plainly(model, PROMPTS[p], p, knobs, [-1]) for p in range(3)]
    close(batched(model, [0, 1, 2], [0, 1, 2], knobs, [-1], prefix=PROMPTS[0][:1]), expected)


@torch.no_grad()
def test_a_sample_does_not_depend_on_its_neighbours():
    model, knobs, stops = built("grouped heads"), config(), list(range(0, VOCABULARY, 11))
    together = batched(model, GROUPS, list(range(len(GROUPS))), knobs, stops)
    backwards = batched(model, GROUPS[::-1], list(range(len(GROUPS)))[::-1], knobs, stops)[::-1]
    alone = [batched(model, [prompt], [seed], knobs, stops)[0] for seed, prompt in enumerate(GROUPS)]
    close(backwards, together)
    close(alone, together)


@torch.no_grad()
def test_siblings_share_one_copy_of_their_prompt():
    model = built("grouped heads")
    shapes: list[tuple[int, ...]] = []
    hook = model.get_input_embeddings().register_forward_pre_hook(lambda _m, inputs: shapes.append(inputs[0].shape))
    [batch] = read_prompts(model, PROMPTS, 10_000, CPU, FrozenPrefix(()))
    decode(model, batch, GROUPS, list(range(14)), config(max_new_tokens=3), torch.tensor([-1]))
    hook.remove()
    assert shapes[1:] == [
        (3, 5),
        (3, 5),
    ]  # three prompts, five answers to the largest group; the last token is not read
    assert batch.cache.layers[0].keys.shape[0] == 3


@torch.no_grad()
def test_rows_whose_answers_have_ended_leave():
    model = built("grouped heads")
    [batch] = read_prompts(model, PROMPTS, 10_000, CPU, FrozenPrefix(()))
    first, _ = draw(batch.logits_PV, [None] * 3, 0)
    decode(model, batch, [0, 1, 2], [None] * 3, config(max_new_tokens=2), first[:2])
    assert len(set(first.tolist())) == 3
    assert batch.cache.layers[0].keys.shape[0] == 1


@torch.no_grad()
def test_nothing_asked_is_nothing_decoded_and_the_attention_is_as_it_was():
    model = built("grouped heads")
    [batch] = read_prompts(model, PROMPTS, 10_000, CPU, FrozenPrefix(()))
    assert decode(model, batch, [], [], config(), torch.tensor([1])) == []
    decode(model, batch, [0, 0], [1, 2], config(), torch.tensor([-1, VOCABULARY + 5]))
    assert model.config._attn_implementation == "sdpa"
