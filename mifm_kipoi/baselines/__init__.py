"""Other scores of variants, each behind :class:`mifm_kipoi.baselines.protocol.Baseline`."""
