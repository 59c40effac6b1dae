"""HFPolicy plays: what is read once, what is sampled, and under which probability."""

from __future__ import annotations

import pytest
import torch
from policy_samples import ask, forward_shapes, plain_logprobs, prompt_reads, stir, tiny_policy
from transformers import GPT2Config, GPT2LMHeadModel

from memrl.contracts.config import PolicyConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import SampleRequest
from memrl.policies.hf import HFPolicy
from memrl.policies.prompts import render_prompt
from memrl.policies.sampling import draw
from memrl.policies.tiny import byte_tokenizer, tiny_model

STORY = ("Ana put the lantern in the attic.", "Bo moved the rope to the cellar.", "Ana took the lantern to the barn.")


def requests(greedy: bool = False) -> list[SampleRequest]:
    """Nine requests with three distinct prompts of different lengths."""
    return [ask(lines=STORY[: i % 3], seed=i, greedy=greedy) for i in range(9)]


def test_equal_prompts_are_read_once() -> None:
    policy = tiny_policy(prefix_cache_mib=0)
    with forward_shapes(policy) as shapes:
        policy.sample(requests())
    assert [rows for rows, _ in prompt_reads(shapes)] == [1, 3]  # the common header, and what follows it


def test_batches_stay_within_the_token_budget_padding_included() -> None:
    policy = tiny_policy(batch_tokens=200)
    with forward_shapes(policy) as shapes:
        policy.sample(requests())
    _header, *prefills = prompt_reads(shapes)
    assert sum(rows for rows, _ in prefills) == 3 and len(prefills) > 1
    assert all(rows * tokens <= 200 for rows, tokens in prefills)


def test_shared_prefill_gives_what_single_runs_give() -> None:
    policy = tiny_policy()
    for request, together in zip(requests(), policy.sample(requests()), strict=True):
        [alone] = policy.sample([request])
        assert (alone.prompt_ids, alone.action_ids) == (together.prompt_ids, together.action_ids)
        assert alone.logprobs == pytest.approx(together.logprobs, abs=1e-5)


def test_a_sample_depends_on_its_seed_and_not_on_order_or_batch_size() -> None:
    forwards = [d.action_ids for d in tiny_policy().sample(requests())]
    backwards = [d.action_ids for d in tiny_policy().sample(requests()[::-1])][::-1]
    one_by_one = [d.action_ids for d in tiny_policy(batch_tokens=1).sample(requests())]
    assert forwards == backwards == one_by_one
    assert len(set(forwards)) > 3


def test_greedy_equals_generate() -> None:
    policy = tiny_policy()
    stops = list(policy.renderer.render(ask()).stops)
    for decision in policy.sample(requests(greedy=True)[:3]):
        prompt = torch.tensor([decision.prompt_ids])
        generated = policy.model.generate(
            input_ids=prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=8,
            eos_token_id=stops, pad_token_id=0,
        )  # fmt: skip
        assert decision.action_ids == tuple(generated[0, prompt.shape[1] :].tolist())


def test_answers_end_at_the_first_stop_token_or_at_the_limit() -> None:
    policy = tiny_policy(max_new_tokens=40)
    stops = set(list(policy.renderer.render(ask()).stops))
    answers = [d.action_ids for d in policy.sample([ask(seed=seed) for seed in range(60)])]
    assert all(not stops & set(ids[:-1]) for ids in answers)
    assert all(ids[-1] in stops or len(ids) == 40 for ids in answers)
    assert any(len(ids) < 40 for ids in answers)


def test_logprobs_are_those_of_a_plain_forward_pass_over_the_sampled_ids() -> None:
    policy = tiny_policy()
    for decision in policy.sample(requests()):
        expected = plain_logprobs(policy, decision.prompt_ids, decision.action_ids)
        assert decision.logprobs == pytest.approx(expected, abs=1e-4)


def test_sampled_ids_are_kept_even_where_their_text_encodes_to_others() -> None:
    policy = tiny_policy()
    decisions = policy.sample([ask(seed=seed) for seed in range(20)])
    texts = [policy.tokenizer.decode(d.action_ids, skip_special_tokens=True) for d in decisions]
    again = [tuple(policy.tokenizer(text)["input_ids"]) for text in texts]
    changed = [d for d, ids in zip(decisions, again, strict=True) if d.action_ids != ids]
    # Random bytes are seldom UTF-8, so here the way through text would have changed what was learned.
    assert len(changed) > 10
    for decision in changed[:3]:
        expected = plain_logprobs(policy, decision.prompt_ids, decision.action_ids)
        assert decision.logprobs == pytest.approx(expected, abs=1e-4)


def test_temperature_changes_the_distribution_that_is_reported() -> None:
    [cool] = tiny_policy(temperature=0.25).sample([ask(seed=1)])
    policy = tiny_policy()
    with torch.no_grad():
        ids = torch.tensor([cool.prompt_ids], device=policy.model.device)
        logits = policy.model(input_ids=ids).logits[0, -1].cpu()
    assert cool.logprobs[0] == pytest.approx((logits / 0.25).log_softmax(-1)[cool.action_ids[0]].item(), abs=1e-4)


def test_draw_follows_the_distribution() -> None:
    probabilities = torch.tensor([0.5, 0.3, 0.0, 0.2])
    tokens, logprobs = draw(probabilities.log().expand(4000, 4), list(range(4000)), position=0)
    shares = torch.bincount(tokens, minlength=4) / 4000
    assert shares.tolist() == pytest.approx([0.5, 0.3, 0.0, 0.2], abs=0.03)
    assert logprobs.exp().tolist() == pytest.approx(probabilities[tokens].tolist(), abs=1e-6)


def test_every_position_has_a_number_of_its_own() -> None:
    even = torch.zeros(4000, 2)
    first, second = (draw(even, list(range(4000)), position)[0] for position in (0, 1))
    assert (first == second).float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_a_line_break_ends_an_answer_as_the_end_of_text_does() -> None:
    policy = tiny_policy()
    [line_break] = policy.tokenizer("\n")["input_ids"]
    assert set(list(policy.renderer.render(ask()).stops)) == {policy.tokenizer.eos_token_id, line_break}


def test_greedy_answers_are_kept_until_the_weights_change() -> None:
    policy = tiny_policy()
    [before] = policy.sample([ask(greedy=True)])
    with forward_shapes(policy) as shapes:
        [again] = policy.sample([ask(greedy=True, seed=7)])
    assert shapes == [] and again.action_ids == before.action_ids
    version = policy.version
    stir(policy, seed=6)
    [after] = policy.sample([ask(greedy=True)])
    assert policy.version == version + 1
    assert after.action_ids != before.action_ids
    assert after.logprobs == pytest.approx(plain_logprobs(policy, after.prompt_ids, after.action_ids), abs=1e-4)


def test_one_greedy_decoding_serves_all_who_ask_the_same() -> None:
    policy = tiny_policy()
    with forward_shapes(policy) as shapes:
        decisions = policy.sample([ask(greedy=True, seed=seed) for seed in range(5)])
    assert {rows for rows, _ in shapes} == {1}
    assert len({d.action_ids for d in decisions}) == 1


def test_greedy_and_sampled_requests_share_a_batch() -> None:
    policy = tiny_policy()
    greedy, *sampled = policy.sample([ask(greedy=True), ask(seed=1), ask(seed=2)])
    assert greedy.action_ids == tiny_policy().sample([ask(greedy=True)])[0].action_ids
    assert [d.action_ids for d in sampled] == [d.action_ids for d in tiny_policy().sample([ask(seed=1), ask(seed=2)])]


def test_nothing_asked_is_nothing_answered() -> None:
    assert tiny_policy().sample([]) == []


def test_a_model_with_other_projections_and_absolute_positions_plays_and_learns() -> None:
    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_positions=512, n_embd=32, n_layer=2, n_head=4))
    policy = HFPolicy(PolicyConfig(lora_rank=2), model=model, tokenizer=tokenizer)
    stir(policy)
    decisions = policy.sample(requests())
    logprobs, mask = policy.token_logprobs([(d.prompt_ids, d.action_ids) for d in decisions])
    for row, decision in zip(logprobs.detach(), decisions, strict=True):
        assert row[: len(decision.logprobs)].tolist() == pytest.approx(decision.logprobs, abs=1e-4)
    logprobs[mask].sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in policy.parameters())


def test_chat_layout_goes_through_the_tokenizers_template() -> None:
    model, tokenizer = tiny_model()
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    policy = HFPolicy(PolicyConfig(prompt="chat", lora_rank=2), model=model, tokenizer=tokenizer)
    [decision] = policy.sample([ask(lines=STORY)])
    text = policy.tokenizer.decode(decision.prompt_ids)
    assert text == f"<user>{render_prompt(ask(lines=STORY))}</><assistant>"


def test_chat_layout_without_a_template_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"policy\.prompt = 'chat'.*plain"):
        tiny_policy(prompt="chat")


def test_a_model_in_hand_needs_its_tokenizer() -> None:
    with pytest.raises(ValueError, match="tokenizer"):
        HFPolicy(PolicyConfig(), model=tiny_model()[0])


def test_tokens_are_counted_without_special_ones() -> None:
    assert tiny_policy().count_tokens("Ana ß") == 6
