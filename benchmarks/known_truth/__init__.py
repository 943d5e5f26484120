"""The known-truth benchmark: whether a method finds causal variants in simulations that know them."""
