"""Operators, API keys, idTokens and their groups, audit."""
