"""What a command says at its end of what a network has learnt."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from training.fitting.verdict import Verdict, conclusion


def log_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Log the measures of a network, and then as warnings what speaks against using it.

    Parameters
    ----------
    verdicts : sequence of Verdict
        On one network, by validation bags and then by test bags; nothing is said where there are none.
    """
    for verdict in verdicts:
        for line in verdict.lines():
            logging.info("%s", line)
    log_warnings(conclusion(verdicts))


def log_warnings(warnings: Sequence[str]) -> None:
    """Log warnings so that they are not overlooked among other lines."""
    for warning in warnings:
        logging.warning("CAUTION: %s", warning)
