"""TF-MoDISco in a process of its own: it forks, which a process with the threads of PyTorch must not.

``python -m mifm_kipoi.evaluation.motifs.child FOLDER`` reads ``sequence.npy``, ``hypothetical.npy`` and
``options.json`` of a folder, and writes ``patterns.h5`` in the format of TF-MoDISco.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np


def main(folder: Path) -> None:
    """Find the patterns.

    Parameters
    ----------
    folder : Path
        Has ``sequence.npy`` (n, length) of uint8 codes, ``hypothetical.npy`` (n, 4, length) of float32, and
        ``options.json``, the keyword arguments of ``modiscolite.tfmodisco.TFMoDISco``.
    """
    # Both import slowly, and compile what they need.
    import modiscolite

    codes = np.load(folder / "sequence.npy")
    hypothetical = np.load(folder / "hypothetical.npy").transpose(0, 2, 1)
    options = json.loads((folder / "options.json").read_text())
    one_hot = (codes[:, :, None] == np.arange(4)).astype(np.float32)
    positive, negative = modiscolite.tfmodisco.TFMoDISco(
        one_hot=one_hot, hypothetical_contribs=np.ascontiguousarray(hypothetical), **options
    )
    modiscolite.io.save_hdf5(folder / "patterns.h5", positive, negative, codes.shape[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
