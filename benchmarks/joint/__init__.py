"""Joint tests where the causal variants are known: what filters find, and the type I error of every test."""
