"""Doors: one memory, asked in the ways that programs already speak.

app.py               ``memrl serve``: OpenAI's chat completions, memory endpoints, health, metrics (FastAPI)
    chat.py          what a chat request may say, the answer and its stream;  memories.py  the memory endpoints
    guard.py         size, token and host of a request, before anything reads it;  errors.py  errors in OpenAI's shape
    metrics.py       counters in Prometheus' text form;  running.py  where it listens
mcp_server.py        ``memrl serve --mcp``: tools over stdio;  knowledge.py  entities, relations and observations
langgraph_store.py   ``LangGraphStore``, a ``BaseStore``;  langgraph_values.py  filters, namespaces and texts of values
memory_files.py      Anthropic's memory tool: files under /memories, kept as entries
notes.py             one space of a memory file under the verbs of the memory tools
needs.py             what the doors need of an agent

Each door but memory_files and notes needs an extra: ``memrl[serve]``, ``memrl[mcp]`` or ``memrl[langgraph]``.
"""
