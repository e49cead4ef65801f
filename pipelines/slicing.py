"""The parts of a pool that a staged arm reads: what it warms up on, probes, and chooses from."""

from __future__ import annotations

from dataclasses import dataclass

from curator.arm_spec import StagedSpec
from curator.clean.slices import TakeSlice
from curator.engine.driver import Driver
from pipelines.pool import Pool

STEP = "staged.slice"


@dataclass(frozen=True)
class Slices:
    """How one staged arm cuts the pool; `seed` is the recipe's.

    A slice is as long as its piece of the run: the warm-up's share, then one a stage. Where all
    are candidates at every stage, only the warm-up has a slice.
    """

    spec: StagedSpec
    seed: int

    @property
    def probed(self) -> float:
        """Share of the pool that is only probed: none where no state is asked."""
        return self.spec.probed if self.spec.model is not None else 0.0

    def bounds(self, stage: int) -> tuple[float, float]:
        """Return where the slice of a stage (0: the warm-up) begins and ends, in [0, 1]."""
        warmup, stages = self.spec.warmup, self.spec.stages
        if stage == 0:
            return 0.0, warmup
        if self.spec.candidates == "all":
            return 0.0, 1.0
        each = (1 - warmup) / stages
        return warmup + (stage - 1) * each, 1.0 if stage == stages else warmup + stage * each

    def candidates(self, stage: int, pool: Pool, driver: Driver) -> Pool:
        """Return the documents that a stage may choose."""
        low, high = self.bounds(stage)
        return self._cut(TakeSlice(self.probed, low, high, seed=self.seed), pool, driver)

    def scored(self, stage: int, pool: Pool, driver: Driver) -> Pool:
        """Return the documents that are scored for a stage: its candidates and those probed."""
        low, high = self.bounds(stage)
        both = TakeSlice(self.probed, low, high, with_probed=True, seed=self.seed)
        return self._cut(both, pool, driver)

    def learning(self, pool: Pool, driver: Driver) -> Pool:
        """Return the documents that scorers learn from: those probed, or all candidates."""
        if not self.probed:
            return pool
        return self._cut(TakeSlice(self.probed, with_probed=True, seed=self.seed), pool, driver)

    def _cut(self, stage: TakeSlice, pool: Pool, driver: Driver) -> Pool:
        whole = not stage.probed and (stage.low, stage.high) == (0.0, 1.0)
        if whole:
            return pool
        decision = driver.map_stage(stage, pool.corpus, step=STEP, alive=pool.alive)
        return pool.decided(decision)
