"""The Kipoi model classes: one-hot windows in, scores from 0 to 1 out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kipoi.model
import numpy as np
import numpy.typing as npt

from mifm_kipoi.kipoi.compatibility import mend_kipoi_test, mend_writers, show_warnings
from mifm_kipoi.network.inference import Predictor, find_device
from mifm_kipoi.network.weights import EMBEDDED, load_weights
from mifm_kipoi.scoring import scores

_EXPECTED = Path(__file__).parent / "example"


class _Model(kipoi.model.BaseModel):  # type: ignore[misc]  # kipoi has no types
    """A MIFM network as Kipoi calls it.

    Parameters
    ----------
    weights : str
        Name or path of the weights (:func:`mifm_kipoi.load_weights`).
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    """

    MODEL_PACKAGE = "torch"

    def __init__(self, weights: str = EMBEDDED, device: str = "auto") -> None:
        mend_writers()
        show_warnings()
        mend_kipoi_test()
        # Kipoi makes a model while it is in the model's folder.
        self._folder = Path.cwd()
        read = load_weights(weights)
        self.network = read.model().to(find_device(device))
        self.predictor = Predictor(self.network, path=read.path)
        self.background = read.background

    @property
    def test(self) -> Any:
        """Kipoi's test section, its file of expected values found in the model's folder, or in the package.

        Kipoi itself would look for it in the folder that it is called from.
        """
        return self._test

    @test.setter
    def test(self, section: Any) -> None:
        if isinstance(section.expect, str):
            own = self._folder / section.expect
            section.expect = str(own if own.is_file() else _EXPECTED / own.name)
        self._test = section


def _windows(x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """From Kipoi's layout to the network's: (n, 512, 4) -> (n, 4, 512), a view."""
    return np.asarray(x, dtype=np.float32).transpose(0, 2, 1)


class VariantModel(_Model):
    """Scores of variants from their reference and alternative windows."""

    def predict_on_batch(self, x: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[np.float32]]:
        """``mifm_ref``, ``mifm_alt``, ``mifm_delta``, ``mifm_percentile`` and ``mifm_phred``, of shape (n,).

        Parameters
        ----------
        x : dict
            ``ref`` and ``alt``: one-hot windows, shape (n, 512, 4); NaN gives NaN.
        """
        ref, alt = self.predictor.variant_logits(_windows(x["ref"]), _windows(x["alt"]))
        return scores.variant_scores(ref, alt) | scores.background_columns(self.background, ref)


class _VariantEffects:
    """What kipoi_veff asks of a model before it scores variants with it."""

    seq_input = ("seq",)
    # The network is not the same for both strands: a mean of the two would be another score.
    use_rc = False

    @property
    def scoring_functions(self) -> list[Any]:
        """The scores that the model can give, as kipoi_veff describes them."""
        from kipoi_veff.specs import VarEffectFuncType, VarEffectScoringFunctions

        names = ("diff", "ref", "alt", "logit", "logit_ref", "logit_alt")
        return [VarEffectScoringFunctions(name=name, type=VarEffectFuncType(name)) for name in names]


class SequenceModel(_Model):
    """The score of one window."""

    postprocessing = {"variant_effects": _VariantEffects()}  # noqa: RUF012 - kipoi_veff reads a dict

    def __init__(self, weights: str = EMBEDDED, device: str = "auto") -> None:
        super().__init__(weights, device)

    def predict_on_batch(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Scores from 0 to 1, shape (n, 1).

        Parameters
        ----------
        x : numpy.ndarray, shape (n, 512, 4)
            One-hot windows; NaN gives NaN.
        """
        return scores.probability(self.predictor.logits(_windows(x)))[:, np.newaxis]
