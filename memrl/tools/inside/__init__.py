"""What runs inside the sandbox's own process. Imports the standard library alone, and nothing of it before it must."""
