"""Wrap: a model, a memory and a controller as one agent that observes and answers.

wrapping.py       what can be wrapped, and how it becomes an agent
memory_agent.py   ``MemoryAgent``, what a user holds
engine.py         what agents of one model share: parts, brief, locks
intake.py         what becomes of an observation;  asking.py  of a question;  forgetting.py  of what is to be forgotten
keeping.py        one user's memory with details, duplicates, room;  homes.py  where memories live
searching.py      search without a model
conversation.py   OpenAI messages;  mem0.py  mem0's verbs
texts.py          what comes in, checked, cut, dated;  results.py  what is handed back
"""

from memrl.agent.memory_agent import MemoryAgent
from memrl.agent.results import Answer, Fate, Forgotten, Found, Observed, Reason
from memrl.agent.wrapping import wrap

__all__ = ["Answer", "Fate", "Forgotten", "Found", "MemoryAgent", "Observed", "Reason", "wrap"]
