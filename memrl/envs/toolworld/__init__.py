"""Jobs that take three real tools: facts are searched for, asked from a database, computed with, and reported later."""
