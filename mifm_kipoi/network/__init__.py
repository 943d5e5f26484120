"""The MIFM network: its definition, weights and inference."""
