"""Log-probabilities of rows that begin alike: what they share is read once, forwards and backwards.

    rows ─ prefix trees ─> one pass a tree, every token sees its ancestors alone ─> logits where tokens were sampled

Nothing is approximated (``algos/prefix_tree.py``). Questions over one memory, and siblings over equal views, share most
of their prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from memrl.algos.prefix_tree import PrefixTree, prefix_trees
from memrl.policies.frozen_prefix import keeps_places
from memrl.policies.loading import SHORT, trainable_attention
from memrl.policies.selected import selected_logprobs

# Shapes: R rows, A sampled tokens of the longest, N tokens of a tree, P places whose logits are wanted, V vocabulary.

Rows = Sequence[tuple[Sequence[int], Sequence[int]]]
TAKE_MASKS = ("sdpa", "eager")
"""Kinds of attention that take a mask with an entry for every pair of tokens."""
WIDE = 4096
"""Tokens of a tree on a GPU; on a CPU, where the attention of many small trees is cheaper, ``SHORT``."""
WORTH = 0.8
"""Share of the padded rows' tokens below which trees are read in their place."""


def can_share(model: Any) -> bool:
    """Whether a model takes a mask that says who sees whom, and knows a token's place by its position alone."""
    takes_masks = getattr(model, "_supports_attention_backend", False)
    return takes_masks and keeps_places(model) and model.config._attn_implementation in TAKE_MASKS


def worthy_trees(rows: Rows, device: torch.device) -> list[PrefixTree] | None:
    """The rows as trees, without their last tokens, which nothing follows; None where too little is shared."""
    if len(rows) < 2 or not all(prompt and action for prompt, action in rows):
        return None
    sequences = [[*prompt, *action[:-1]] for prompt, action in rows]
    trees = prefix_trees(sequences, SHORT if device.type == "cpu" else WIDE)
    padded = len(rows) * (max(map(len, sequences)) + 1)
    return trees if sum(map(len, trees)) <= WORTH * padded else None


def shared_logprobs(model: Any, trees: Sequence[PrefixTree], rows: Rows, temperature: float) -> Tensor:
    """[R, A] log-probabilities of the rows' sampled tokens with gradients, 0 behind the end of a row."""
    width = max(len(action) for _, action in rows)
    lines: list[Tensor] = [torch.empty(0)] * len(rows)
    for tree in trees:
        found = _read(model, tree, rows, temperature)
        for index, line in zip(tree.paths, found, strict=True):
            lines[index] = torch.nn.functional.pad(line, (0, width - len(line)))
    return torch.stack(lines)


def _read(model: Any, tree: PrefixTree, rows: Rows, temperature: float) -> Sequence[Tensor]:
    """Log-probabilities of each of the tree's rows, in the order of ``tree.paths``."""
    device = model.device
    before = [path[-len(rows[index][1]) :] for index, path in tree.paths.items()]
    wanted = sorted({node for nodes in before for node in nodes})
    column = {node: i for i, node in enumerate(wanted)}
    sees_NN = torch.from_numpy(tree.sees()).to(device)
    added = torch.zeros(sees_NN.shape, dtype=model.dtype, device=device)
    added.masked_fill_(~sees_NN, torch.finfo(model.dtype).min)
    with trainable_attention(model, len(tree)):
        logits_1PV = model(
            input_ids=torch.tensor([tree.ids], device=device),
            attention_mask=added[None, None],
            position_ids=torch.tensor([tree.places], device=device),
            logits_to_keep=torch.tensor(wanted, device=device),
            use_cache=False,
        ).logits
    at = torch.tensor([column[node] for nodes in before for node in nodes], device=device)
    sampled = torch.tensor([token for index in tree.paths for token in rows[index][1]], device=device)
    return selected_logprobs(logits_1PV[0], sampled, temperature, at=at).split([len(nodes) for nodes in before])
