"""The bridges to kipoi_veff and kipoi-veff2."""
