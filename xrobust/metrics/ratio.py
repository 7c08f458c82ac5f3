"""The ratio of two counts."""

from __future__ import annotations

import numpy as np


def ratio_or_zero(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Numerator over denominator; 0 where there is nothing to be counted, as seqeval and scikit-learn have it."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator, dtype=float), where=denominator > 0)
