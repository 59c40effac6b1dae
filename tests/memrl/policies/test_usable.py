"""A model that cannot be used, and a view that it cannot read, are told in one line before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MambaConfig, MambaForCausalLM, MixtralConfig, MixtralForCausalLM

from memrl.contracts.config import PolicyConfig
from memrl.contracts.errors import ConfigError, ModelError
from memrl.evaluate import evaluate
from memrl.policies.hf import HFPolicy
from memrl.policies.tiny import byte_tokenizer
from memrl.policies.usable import check_layers
from memrl.recipes import recipe
from memrl.train import train

SIZES: dict[str, Any] = {"vocab_size": 257, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
HEADS: dict[str, Any] = {"num_attention_heads": 2, "num_key_value_heads": 2}


def saved(model: Any, folder: Path) -> str:
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return str(folder)


def small_llama(context: int) -> Any:
    return LlamaForCausalLM(LlamaConfig(**SIZES, **HEADS, max_position_embeddings=context))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("mixtral", "its MixtralExperts layers hold no plain weight matrix"),
        ("mamba", "incompatible with Mamba-based models"),
    ],
)
def test_a_model_of_another_shape_is_one_line_and_leaves_no_folder(tmp_path: Path, shape: str, message: str):
    if shape == "mixtral":
        model: Any = MixtralForCausalLM(MixtralConfig(**SIZES, **HEADS, num_local_experts=2))
    else:
        model = MambaForCausalLM(MambaConfig(vocab_size=257, hidden_size=16, num_hidden_layers=1, state_size=4))
    name = saved(model, tmp_path / "model")
    with pytest.raises(ModelError, match=message) as refused:
        train(recipe("tiny", out=str(tmp_path / "run"), policy={"model": name}))
    assert str(refused.value).startswith(f"policy.model = {name!r}: ") and "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_model_that_keeps_no_keys_and_values_is_refused():
    class Forgetful(LlamaForCausalLM):
        def forward(self, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
            out = super().forward(*args, **kwargs)
            out.past_key_values = None
            return out

    model = Forgetful(LlamaConfig(**SIZES, **HEADS))
    with pytest.raises(ModelError, match=r"policy.model = 'object': Forgetful keeps no keys and values"):
        HFPolicy(PolicyConfig(model="object", dtype="float32"), model=model, tokenizer=byte_tokenizer())


def test_a_model_whose_pass_fails_is_refused():
    class Broken(LlamaForCausalLM):
        def forward(self, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
            raise RuntimeError("no kernel for this\nand more")

    with pytest.raises(ModelError, match=r"it cannot read a batch of prompts \(RuntimeError: no kernel for this;"):
        model = Broken(LlamaConfig(**SIZES, **HEADS))
        HFPolicy(PolicyConfig(model="object", dtype="float32"), model=model, tokenizer=byte_tokenizer())


def test_quantised_layers_are_refused():
    class Quantised(torch.nn.Module):
        weight = torch.zeros(4, 4, dtype=torch.uint8)

        def get_base_layer(self) -> torch.nn.Module:
            return self

    with pytest.raises(ModelError, match="its Quantised layers hold no plain weight matrix"):
        check_layers([Quantised()], "m")
    with pytest.raises(ModelError, match="no linear layer"):
        check_layers([], "m")


def test_a_view_longer_than_the_models_context_is_refused_when_the_run_is_built(tmp_path: Path):
    name = saved(small_llama(200), tmp_path / "model")
    with pytest.raises(
        ConfigError, match=r"memory.read_budget = 160: with the frame \(\d+ tokens\) and .*give at most"
    ):
        train(recipe("tiny", out=str(tmp_path / "run"), policy={"model": name, "max_new_tokens": 8}))
    assert not (tmp_path / "run").exists()


def test_the_greatest_view_that_is_told_does_fit():
    policy = HFPolicy(PolicyConfig(model="object"), model=small_llama(256), tokenizer=byte_tokenizer())
    with pytest.raises(ConfigError) as refused:
        policy.check_view(1000)
    most = int(str(refused.value).rpartition(" ")[2])
    policy.check_view(most)
    with pytest.raises(ConfigError):
        policy.check_view(most + 1)


def test_a_prompt_that_grew_too_long_by_its_question_is_refused():
    policy = HFPolicy(PolicyConfig(model="object"), model=small_llama(256), tokenizer=byte_tokenizer())
    assert policy.encode(["x" * (256 - 8)])
    with pytest.raises(ConfigError, match=r"policy.model = 'object': a prompt of 249 tokens"):
        policy.encode(["x" * (256 - 7)])


def test_an_evaluation_with_more_memory_than_the_context_is_refused(tmp_path: Path):
    knobs = {"warm_start": {"steps": 0}, "rollout": {"tasks": 0, "practice_tasks": 1, "group_size": 2}}
    run = train(recipe("tiny", out=str(tmp_path / "run"), steps=1, learner={"rereads": 0}, **knobs))
    with pytest.raises(ConfigError, match=r"memory.read_budget = 9000: .* the context of policy.model = 'tiny', 4096"):
        evaluate(run, memory_tokens=9000)
