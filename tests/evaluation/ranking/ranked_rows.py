"""Random rows of scores and labels, with many ties, for property tests."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = list[tuple[float, bool]]

SETTINGS = hypothesis.settings(max_examples=60, deadline=None)


def rows_of(largest: int, smallest: int = 1) -> st.SearchStrategy[Rows]:
    """Scores, many of them tied, and which rows are positive."""
    score = st.sampled_from([0.0, 0.25, 0.5, 1.0])
    return st.lists(st.tuples(score, st.booleans()), min_size=smallest, max_size=largest)


def with_positive(rows: Rows) -> bool:
    return any(positive for _, positive in rows)


def arrays(rows: Rows) -> tuple[Values, Flags]:
    scores, positive = zip(*rows, strict=True)
    return np.array(scores), np.array(positive)
