"""The built-in scorers, one method a file, found by entry point like anyone's.

They import `curator` only. `docs/scorers.md` says how to write one.
"""
