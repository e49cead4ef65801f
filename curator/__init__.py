"""Curator: raw corpora in, a trained and tested pretraining mixture out, with evidence.

Data flows one way; text is read by stages mapped over shards, and whatever compares
documents with each other reads only narrow columns (ids, scores, hashes, token counts)::

    sources -> ingest -> clean -> dedup -> decontaminate -> score -> select -> mix
                                                                              |
                                   report <- compare <- evaluate <- train <---+
"""

from __future__ import annotations

__version__ = "0.1.0"
