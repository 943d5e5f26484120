"""The commands of kipoi_veff and kipoi-veff2 with MIFM as the model: ``kipoi-veff`` and ``kipoi-veff2``."""
