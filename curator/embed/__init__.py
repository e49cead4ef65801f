"""Texts as vectors, and the vectors nearest to others."""
