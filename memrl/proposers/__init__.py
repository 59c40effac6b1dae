"""Learned writers of tasks (contract: ``protocols.TaskProposer``); every task they write walks through the gates."""
