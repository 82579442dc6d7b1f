"""Checks for CI: documents against their schema and rules, artifacts whole, rows against an artifact.

A check never stops at the first finding where it can go on: `findings` holds what was found, `output` shows
it to people, to JUnit readers and on GitHub's pages.
"""
