"""The settings of near-duplicate removal, and the two wide stages that they make.

Bands give edges (`band_stage`), edges clusters (`clusters.find_clusters`), and within a cluster the
removals are verified (`verify_stage`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from curator.dedup.minhash import MinHashBands, band_recall
from curator.dedup.survivors import LONGEST, Survivors
from curator.dedup.verify import VerifyClusters
from curator.errors import RecipeError
from curator.shards import Shard

# Shingles are hashed by polynomials modulo 2**64, where two sequences of 1,024 words can be written
# down that collide for every base (Thue and Morse's; test_near.py does it).
_LONGEST_SHINGLE: Final = 100
_LEAST_RECALL: Final = 0.5  # the bands' curve is steepest about where it passes one half


@dataclass(frozen=True)
class NearDuplicates:
    """The settings of near-duplicate removal.

    `threshold` is the shingle Jaccard similarity from which a candidate counts as a copy; `bands`
    and `rows` decide which pairs become candidates at all. The defaults find 92 % of the pairs at
    0.8 and 99.96 % at 0.9 (`band_recall`), so with a lower threshold take fewer rows. Sets are
    compared by 64-bit hashes of their shingles: no defense against texts made to collide.

    Raises:
        RecipeError: a setting is out of range, or the bands find less than half of the pairs that
            lie at the threshold. All faults are named at once.
    """

    threshold: float = 0.8
    containment: float = 0.95
    verify: bool = True
    ngram: int = 5
    bands: int = 14
    rows: int = 8
    seed: int = 0
    survivors: Survivors = LONGEST
    max_cluster: int = 10_000

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        faults = [
            f"{name} is {getattr(self, name)!r}; wanted 1 or more"
            for name in ("ngram", "bands", "rows", "max_cluster")
            if getattr(self, name) < 1
        ]
        if self.ngram > _LONGEST_SHINGLE:
            faults.append(f"ngram is {self.ngram!r}; wanted {_LONGEST_SHINGLE} words or fewer")
        if not 0 < self.threshold <= 1:
            faults.append(f"threshold is {self.threshold!r}; wanted a Jaccard similarity in (0, 1]")
        if not 0 <= self.containment <= 1:
            faults.append(f"containment is {self.containment!r}; wanted a share in [0, 1]")
        if not faults:
            recall = float(band_recall(self.threshold, bands=self.bands, rows=self.rows))
            if recall < _LEAST_RECALL:
                faults.append(
                    f"{self.bands} bands of {self.rows} rows find {recall:.0%} of the pairs at "
                    f"threshold {self.threshold!r}; wanted {_LEAST_RECALL:.0%} or more: raise the "
                    "threshold, or ask for more bands or fewer rows"
                )
        if faults:
            raise RecipeError("; ".join(faults), where="dedup.minhash")

    @property
    def band_stage(self) -> MinHashBands:
        """The stage that finds candidates."""
        return MinHashBands(ngram=self.ngram, bands=self.bands, rows=self.rows, seed=self.seed)

    def verify_stage(self, clusters: Shard) -> VerifyClusters:
        """Return the stage that decides within the clusters of a written table."""
        return VerifyClusters(
            clusters=clusters.digest,
            clusters_path=clusters.path,
            survivors=self.survivors,
            verify=self.verify,
            threshold=self.threshold,
            containment=self.containment,
            ngram=self.ngram,
            max_cluster=self.max_cluster,
        )
