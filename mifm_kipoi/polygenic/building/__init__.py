"""``mifm pgs build``: from studies and scores of variants to scoring files, all methods in one call."""
