"""Letters of logos, read back from the shapes that draw them."""

from __future__ import annotations

from typing import Any

from mifm_kipoi.reports.logos import BASE_COLOURS, _glyph


def heights_of(axes: Any) -> list[tuple[int, str, float]]:
    """Place, base and height of each letter that :func:`draw_letters` drew, by place."""
    from matplotlib.colors import to_rgba

    found = []
    for base, colour in BASE_COLOURS.items():
        size = len(_glyph(base).vertices)
        for patch in axes.patches:
            if patch.get_facecolor() != to_rgba(colour):
                continue
            vertices = patch.get_path().vertices
            assert len(vertices) % size == 0
            for letter in vertices.reshape(-1, size, 2):
                x, y = letter[:, 0], letter[:, 1]
                middle = (x.min() + x.max()) / 2
                found.append((round(float(middle)), base, float(y.max() if y.max() > 1e-9 else y.min())))
    return sorted(found)
