"""Compiled single-pass loops over Arrow's UTF-8 buffers: words, n-grams, hashes, statistics.

Every kernel sees whole columns, releases the GIL and gives each text an answer that depends on
that text alone: however rows are cut into arrays, the answers are the same.
"""
