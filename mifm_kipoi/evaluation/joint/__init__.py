"""``mifm evaluate joint``: what joint regressions of a filtered clump find, beside random filters."""
