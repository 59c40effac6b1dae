"""Your own tasks with your own tools as an environment: ``env.name: tool_tasks``.

records    a file of tasks: turns that tell, turns that ask
toolset    what ``tools`` names: functions, classes, code, SQL, search, MCP servers
judging    what an answer is worth
env        one episode: turns in order, several tasks in turns
tasks      the task source "tool_tasks"
"""
