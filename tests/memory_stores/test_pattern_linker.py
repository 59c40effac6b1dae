"""Plain sentences that no phrasing table holds."""

import pytest

from memory_stores.linker import ProposedEdge
from memory_stores.pattern_linker import PatternLinker


@pytest.mark.parametrize(
    ("text", "edge"),
    [
        ("Ben left the kettle in the cellar.", ProposedEdge("kettle", "in", "cellar")),
        ("Ana moved the lantern to the garden.", ProposedEdge("lantern", "in", "garden")),
        ("The lantern left the garden.", ProposedEdge("lantern", "in", "garden", negated=True)),
        ("The lantern is no longer in the attic.", ProposedEdge("lantern", "in", "attic", negated=True)),
    ],
)
def test_a_plain_sentence_states_one_edge(text, edge):
    assert PatternLinker().link(text) == (edge,)


@pytest.mark.parametrize(
    "text", ["Is the lantern in the attic?", "Ana dreamed that the lantern was in the attic.", "It rained all day."]
)
def test_questions_dreams_and_weather_state_nothing(text):
    assert PatternLinker().link(text) == ()
