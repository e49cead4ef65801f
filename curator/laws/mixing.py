"""Exponential mixing law: a domain's loss as a function of the shares of a mixture.

Source: Ye et al. 2024, Data Mixing Laws (arXiv 2403.16952): L_i(p) = c_i + k_i exp(sum_j t_ij p_j).
As shares sum to 1, k_i = exp(mean of t_i) with the rest of t_i centered: k is no parameter of its
own, and a law of d domains has d + 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from curator.laws.form import Floats, Form, Parameter


@dataclass(frozen=True)
class ExponentialMixing(Form):
    """L = c + exp(sum_j t_j p_j): shares p of the named domains."""

    domains: tuple[str, ...]
    name: ClassVar[str] = "exp_mixing"
    scale: ClassVar[Literal["log", "linear"]] = "linear"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The domains."""
        return self.domains

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """c, and one t a domain: the log of what the domain alone leaves above c."""
        slopes = (Parameter(f"t_{domain}", -20.0, 20.0, positive=False) for domain in self.domains)
        return (Parameter("c", 1e-6, 1e3), *slopes)

    @property
    def least(self) -> tuple[int, ...]:
        """Two shares a domain: one that never changes has no effect to be seen."""
        return (2,) * len(self.domains)

    def slopes(self, q_Bp: Floats, x_nk: Floats) -> tuple[Floats, Floats]:
        """Return the curve and its derivatives."""
        floor = np.exp(q_Bp[:, 0:1])
        above = np.exp(np.clip(q_Bp[:, 1:] @ x_nk.T, -300, 300))
        slopes = np.empty((*above.shape, q_Bp.shape[1]))
        slopes[:, :, 0] = floor
        np.multiply(above[:, :, None], x_nk, out=slopes[:, :, 1:])
        return floor + above, slopes

    def starts(self, x_nk: Floats, y_n: Floats) -> Floats:
        """Return 30 starts: ten floors, three strengths of a ridge fit of log(y - c) to the shares."""
        rows = []
        for part in (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 0.95):
            floor = part * y_n.min()
            log_above = np.log(y_n - floor)
            for strength in (1e-3, 1e-1, 10.0):
                middle = log_above.mean()
                gram = x_nk.T @ x_nk + strength * np.eye(x_nk.shape[1])
                slopes = middle + np.linalg.solve(gram, x_nk.T @ (log_above - x_nk.sum(axis=1) * middle))
                rows.append([floor, *np.clip(slopes, -19, 19)])
        return np.array(rows)
