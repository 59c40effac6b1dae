"""Does a graph help to find evidence in text? Texts alone beside texts and the edges that a linker finds in them.

python benchmarks/graph_text.py comention      # 2wiki_qa, hotpotqa, timeqa: held-out streams, 128 and 256 tokens
python benchmarks/graph_text.py spacy
python benchmarks/graph_text.py comention --without entry    # the road alone: no edge is embedded

Everything told is kept; what may be read is the budget, the same for every row. Two things an edge may do:

    road     it costs nothing and is not read: texts are ranked by a walk over names as well (personalised PageRank from
             the question's names, HippoRAG, arXiv:2405.14831; ``road 2``: from the three best texts' names too), fused
             with the other ranks by RRF
    entry    it stands among the texts, is ranked as they are and fills the same budget; in view it counts for the text
             it came from if each of its two ends stands in the question, in an answer or in another text of the
             evidence, and for nothing else

Figures go to results/graph_text/LINKER.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import torch
from machine import machine
from numpy.typing import NDArray

from memory_stores.bm25_store import Bm25Store
from memory_stores.graph_store import GraphStore
from memory_stores.linker import EntityLinker
from memory_stores.memory import AgentMemory
from memory_stores.types import Edge, Entry, Hit, Link, Stamp, Write
from memory_stores.words import words
from memrl.algos.ranking import best_match, fused, late_interaction, places
from memrl.contracts.config_io import changed
from memrl.contracts.protocols import Agent, ControllerRequest, OfferRequest
from memrl.contracts.registry import make
from memrl.contracts.types import Observation, Task
from memrl.controllers.entry_index import EntryIndex, Vocabulary, readable
from memrl.envs.documents.library import Library
from memrl.envs.documents.options import DocumentsOptions
from memrl.envs.documents.records import Question, Stream, Unit
from memrl.recipes import recipe
from memrl.training.build import build_agent
from memrl.training.players import UNLIMITED
from memrl.training.start import started_config

# Shapes: N entries, E names.

RESULTS = Path(__file__).parent / "results" / "graph_text"
SETS = ("2wiki_qa", "hotpotqa", "timeqa")
BUDGETS = (128, 256)
FIRST = 3
"""Texts whose names the second road starts from as well."""
Floats = NDArray[np.float64]


class Roads:
    """Names and the texts that they stand in."""

    def __init__(self, linker: EntityLinker, texts: Sequence[str]) -> None:
        self._graph: Any = nx.Graph()
        self._names: list[list[str]] = []
        for text in texts:
            edges = linker.link(text)
            self._names.append(list(dict.fromkeys(end for e in edges for end in (e.subject, e.object))))
            for edge in edges:
                before = self._graph.get_edge_data(edge.subject, edge.object, {"weight": 0})["weight"]
                self._graph.add_edge(edge.subject, edge.object, weight=before + 1)
        self._texts_of = Counter(name for names in self._names for name in names)
        self._words = {name: frozenset(words(name)) for name in self._graph}

    def mentioned(self, query: str) -> dict[str, float]:
        """Names all of whose words stand in a query, the rarer the more."""
        asked = frozenset(words(query))
        return {name: 1.0 / self._texts_of[name] for name, own in self._words.items() if own and own <= asked}

    def scores(self, query: str, first: Sequence[int]) -> Floats:
        """[N] the rank of the names in each text, from a query's names and those of some texts; 0 for no way there."""
        starts = self.mentioned(query)
        for i in first:
            starts.update({name: starts.get(name, 1.0 / self._texts_of[name]) for name in self._names[i]})
        if not starts:
            return np.zeros(len(self._names))
        rank: Mapping[str, float] = nx.pagerank(self._graph, alpha=0.5, personalization=starts, nstart=starts)
        # It begins at the start, so that what cannot be reached has no rank at all. A name that stands everywhere says
        # little of a text.
        return np.array([sum(rank[name] / self._texts_of[name] for name in names) for names in self._names])


def memory_of(agent: Agent, units: Sequence[Unit], linker: EntityLinker | None) -> AgentMemory:
    """All that was told; with a linker all edges too."""
    count = agent.count_tokens
    graph = GraphStore(UNLIMITED, count) if linker is not None else None
    memory = AgentMemory(archive=Bm25Store(UNLIMITED, count), graph=graph)
    for step, unit in enumerate(units):
        stamp = Stamp(step=step, observation_id=unit.id)
        memory.apply(Write(unit.shown, "archive"), stamp)
        for edge in linker.link(unit.shown) if linker is not None else ():
            memory.apply(Link(edge.subject, edge.relation, edge.object), stamp)
    return memory


class Searched:
    """One memory, searched."""

    def __init__(self, agent: Agent, units: Sequence[Unit], linker: EntityLinker | None) -> None:
        self.agent, self.memory = agent, memory_of(agent, units, linker)
        self.entries = readable(self.memory)
        self._vocabulary = Vocabulary(agent.table)
        agent.table.add([entry.text for entry in self.entries])
        self._index = EntryIndex(self.entries, self._vocabulary, agent.table)

    def ranks(self, query: str) -> dict[str, NDArray[np.int64]]:
        """[N] places by words, by meaning and by tokens, 0 for the best."""
        table, index = self.agent.table, self._index
        table.add([query])
        [facts], [tokens] = self._vocabulary.facts([query]), table.tokens([query])
        by_words = index.bm25(facts)
        flat, starts = index.tokens(None)
        best = best_match(flat @ tokens.vectors.astype(np.float32).T, starts)
        return {
            "words": np.where(by_words > 0, places(by_words), len(by_words)),
            "meaning": places(index.cosine(facts)),
            "tokens": places(late_interaction(best, index.piece_rarity(tokens.ids))),
        }

    def read(self, scores: Floats, budget: int) -> list[Entry]:
        """Entries in the order of their scores, as many as fit."""
        taken, left = [], budget
        for i in np.argsort(-scores, kind="stable"):
            if self.entries[i].tokens <= left:
                taken.append(self.entries[i])
                left -= self.entries[i].tokens
            if left < 3:
                break
        return taken


def tried(agent: Agent, streams: Sequence[Stream], linker: EntityLinker, edges: bool) -> dict[str, Any]:
    """Budget -> row -> a digit a question: 1 where all of its evidence was in view. And how large the graphs are."""
    digits: dict[str, dict[str, str]] = {str(budget): {} for budget in BUDGETS}
    size: Counter[str] = Counter()
    for stream in streams:
        plain = Searched(agent, stream.units, None)
        both = Searched(agent, stream.units, linker) if edges else None
        roads = Roads(linker, [entry.text for entry in plain.entries])
        memory = both.memory if both is not None else memory_of(agent, stream.units, linker)
        assert memory.archive is not None and memory.graph is not None
        size.update(texts=len(memory.archive), edges=len(memory.graph))
        size.update(text_tokens=memory.archive.tokens_used, edge_tokens=memory.graph.tokens_used)
        evidence = Evidence(stream, linker)
        for question in stream.questions:
            if not question.answers or not question.supports:
                continue
            size.update(questions=1, questions_with_names=int(bool(roads.mentioned(question.question))))
            rows = _rows(question.question, plain, both, roads)
            for budget in BUDGETS:
                seen = {name: searched.read(scores, budget) for name, (searched, scores) in rows.items()}
                for name, searched in (("learned", plain), ("learned, entries", both)):
                    if searched is not None:
                        seen[name] = read_by(agent, searched.memory, question.question, budget)
                own = digits[str(budget)]
                for name, entries in seen.items():
                    own[name] = own.get(name, "") + str(int(evidence.suffices(question, entries)))
    return {**digits, "size": dict(size)}


class Evidence:
    """What answers rest on, where edges are in view too."""

    def __init__(self, stream: Stream, linker: EntityLinker) -> None:
        self._text = {unit.id: frozenset(words(unit.shown)) for unit in stream.units}
        self._told: dict[tuple[str, str, str], set[str]] = {}
        for unit in stream.units:
            for edge in linker.link(unit.shown):
                self._told.setdefault((edge.subject, edge.relation, edge.object), set()).add(unit.id)

    def suffices(self, question: Question, seen: Sequence[Entry]) -> bool:
        """Whether an accepted set is in view."""
        texts = {entry.stamp.observation_id for entry in seen if not isinstance(entry, Edge)}
        edges = [entry for entry in seen if isinstance(entry, Edge)]
        return any(self._all(question, ids, texts, edges) for ids in question.supports)

    def _all(self, question: Question, ids: Sequence[str], texts: set[str], edges: Sequence[Edge]) -> bool:
        return all(id in texts or any(self._says(edge, id, question, ids) for edge in edges) for id in ids)

    def _says(self, edge: Edge, id: str, question: Question, ids: Sequence[str]) -> bool:
        """Whether an edge of that text joins two things that matter: see the top of this page."""
        if id not in self._told[edge.subject, edge.relation, edge.object]:
            return False
        others = [self._text[other] for other in ids if other != id]
        known = [frozenset(words(text)) for text in (question.question, *question.answers)]
        return all(any(set(words(end)) <= own for own in (*known, *others)) for end in (edge.subject, edge.object))


def read_by(agent: Agent, memory: AgentMemory, query: str, budget: int) -> list[Entry]:
    """What the agent's controller brings into view, entry by entry, as play does."""
    assert agent.offers is not None
    observation = Observation(id="q", step=len(memory), content=query, wants_action=True, writable=False)
    hits: tuple[Hit, ...] = ()
    while len(hits) < agent.max_reads:
        left = budget - sum(hit.tokens for hit in hits)
        [offers] = agent.offers.offers([OfferRequest(memory, observation, True, view=hits, room=left)])
        request = ControllerRequest(
            observation=observation, offers=offers, memory=memory, table=agent.table, greedy=True,
            task=Task(env="none", theta=None, seed=0), rng=np.random.default_rng(0),
        )  # fmt: skip
        [decision] = agent.controller.decide([request])
        found = [hit for op in decision.ops for hit in memory.apply(op).hits]
        if not found:
            break
        hits = (*hits, *found)
    return [entry for hit in hits if (entry := memory.get(hit.id)) is not None]


def _rows(query: str, plain: Searched, both: Searched | None, roads: Roads) -> dict[str, tuple[Searched, Floats]]:
    """Name -> what is searched, and the score of each of its entries."""
    ranks = plain.ranks(query)
    rrf, late = fused(ranks["words"], ranks["meaning"]), -ranks["tokens"].astype(np.float64)
    first = np.argsort(-rrf, kind="stable")[:FIRST].tolist()
    one, two = (_places(roads.scores(query, start)) for start in ((), first))
    found = {
        "rrf": (plain, rrf),
        "rrf, road": (plain, fused(ranks["words"], ranks["meaning"], one)),
        "rrf, road 2": (plain, fused(ranks["words"], ranks["meaning"], two)),
        "late": (plain, late),
        "late, road": (plain, fused(ranks["tokens"], one)),
        "late, road 2": (plain, fused(ranks["tokens"], two)),
    }
    if both is not None:
        wide = both.ranks(query)
        found["rrf, entries"] = both, fused(wide["words"], wide["meaning"])
        found["late, entries"] = both, -wide["tokens"].astype(np.float64)
    return found


def _places(scores: Floats) -> NDArray[np.int64]:
    """Places; what there is no way to comes after everything."""
    return np.where(scores > 0, places(scores), len(scores))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("linker", choices=("comention", "spacy"))
    parser.add_argument("--without", choices=("entry",))
    options = parser.parse_args()
    name = options.linker
    torch.set_num_threads(1)
    linker = make("linker", name, {}, "memory.linker")
    found: dict[str, Any] = {}
    for one in SETS:
        started = time.perf_counter()
        config = dataclasses.replace(recipe("reading"), controller=started_config())
        agent = build_agent(changed(config, {"env": {"options": {"data": (one,)}}}))
        parts = Library(DocumentsOptions(data=(one,))).shelves[one].eval
        found[one] = tried(agent, [part.stream for part in parts], linker, options.without is None)
        found[one]["seconds"] = round(time.perf_counter() - started, 1)
        for budget in BUDGETS:
            rows = found[one][str(budget)]
            print(one, budget, {row: round(d.count("1") / len(d), 3) for row, d in rows.items()}, flush=True)
        print(one, found[one]["size"], flush=True)
        RESULTS.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"linker": name, "machine": machine(), "sets": found}, indent=1)
        (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
