"""A model that answers as it is: the object stays what it was, and a leading line break ends no answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from policy_samples import ask

from memrl.agent import wrap
from memrl.contracts.config import PolicyConfig
from memrl.contracts.contexts import PolicyContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Brief
from memrl.contracts.registry import make
from memrl.contracts.types import Say
from memrl.policies.frozen_lm import FrozenLM
from memrl.policies.hf import HFPolicy
from memrl.policies.tiny import byte_tokenizer, tiny_model


def look(model: Any) -> dict[str, Any]:
    """Everything about a model that a caller could notice."""
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        logits = model(input_ids=ids).logits.clone()
    return {
        "keys": list(model.state_dict()),
        "weights": {name: value.clone() for name, value in model.state_dict().items()},
        "flags": {name: (one.requires_grad, one.dtype, one.device) for name, one in model.named_parameters()},
        "modes": {name: one.training for name, one in model.named_modules()},
        "modules": [type(one) for one in model.modules()],
        "hooks": [len(one._forward_hooks) + len(one._forward_pre_hooks) for one in model.modules()],
        "attention": model.config._attn_implementation,
        "generation": model.generation_config.to_dict(),
        "logits": logits,
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("training", [True, False])
def test_the_callers_model_is_untouched(dtype: torch.dtype, training: bool):
    model, tokenizer = tiny_model()
    model = model.to(dtype).train(training)
    next(model.parameters()).requires_grad_(False)
    next(iter(model.children())).train(not training)
    before = look(model)
    agent = wrap(model, tokenizer=tokenizer, max_new_tokens=4)
    agent.observe("Ana put the lantern in the attic.")
    assert agent.ask("Where is the lantern?").used
    half = agent.stream("Where is the lantern?")
    next(half)
    after = look(model)
    for name in ("keys", "flags", "modes", "modules", "hooks", "attention", "generation"):
        assert after[name] == before[name], name
    assert torch.equal(after["logits"], before["logits"]) and after["logits"].dtype is dtype
    assert all(torch.equal(value, before["weights"][name]) for name, value in after["weights"].items())
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_it_answers_as_the_trainable_policy_does_before_training():
    config = PolicyConfig(model="tiny", max_new_tokens=12)
    requests = [ask(f"Who has box {number}?", ["Ana has the lantern."]) for number in range(3)]
    [*frozen] = FrozenLM(config).sample(requests)
    [*usual] = HFPolicy(config).sample(requests)
    assert [one.action_ids for one in frozen] == [one.action_ids for one in usual]
    for one, other in zip(frozen, usual, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


class Dictated(torch.nn.Module):
    """A stand-in for a causal LM that writes a given text, whatever it reads, and keeps nothing of what it has read."""

    def __init__(self, ids: list[int], length: int, vocabulary: int) -> None:
        super().__init__()
        self.config = type("Config", (), {"max_position_embeddings": None})()
        self.generation_config = None
        self.own = torch.nn.Parameter(torch.zeros(1))
        self._ids, self._length, self._vocabulary = ids, length, vocabulary

    def forward(self, input_ids: torch.Tensor) -> Any:
        place = input_ids.shape[1] - self._length
        logits = torch.zeros(1, input_ids.shape[1], self._vocabulary)
        logits[0, -1, self._ids[min(place, len(self._ids) - 1)]] = 99.0
        return type("Out", (), {"logits": logits, "past_key_values": None})()


def dictated(text: str, brief: Brief) -> tuple[list[str], Any]:
    """The pieces and the decision of a model that writes ``text`` and then ends."""
    tokenizer = byte_tokenizer()
    config = PolicyConfig(model="object", max_new_tokens=40)
    request = replace(ask("Where?"), brief=brief)
    ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    probe = FrozenLM(config, model=Dictated(ids, 0, len(tokenizer)), tokenizer=tokenizer)
    length = len(probe.renderer.render(request).ids)
    policy = FrozenLM(config, model=Dictated(ids, length, len(tokenizer)), tokenizer=tokenizer)
    pieces, stream = [], policy.stream(request)
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as stop:
            return pieces, stop.value


def test_a_leading_line_break_never_ends_an_answer():
    pieces, decision = dictated("\n\nIn the attic.\nAnd so on", Brief(lines=1))
    assert decision.action == Say("In the attic.") and "".join(pieces) == "In the attic."


def test_an_answer_of_several_lines_goes_on_to_its_end():
    pieces, decision = dictated("\nOne.\nTwo.", Brief(lines=None))
    assert decision.action == Say("One.\nTwo.") and "".join(pieces) == "One.\nTwo."


def test_a_character_of_several_bytes_is_never_shown_in_halves():
    pieces, decision = dictated("né in Gent é", Brief(lines=None))
    assert "".join(pieces) == "né in Gent é" and all("\ufffd" not in piece for piece in pieces)
    assert decision.action == Say("né in Gent é")


def test_as_a_part_it_must_not_be_trained():
    context = PolicyContext(config=PolicyConfig(model="tiny", name="frozen"), seed=0, task_source=None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match=r"policy\.trained = True: .*'frozen' learns nothing"):
        make("policy", "frozen", {}, "policy.name", context)
    quiet = PolicyContext(config=PolicyConfig(model="tiny", trained=False), seed=0, task_source=None)  # pyright: ignore[reportArgumentType]
    assert isinstance(make("policy", "frozen", {}, "policy.name", quiet), FrozenLM)
