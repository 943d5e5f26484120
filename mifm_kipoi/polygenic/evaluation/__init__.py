"""``mifm pgs evaluate``: how well polygenic scores predict traits, by ancestry, and which are better."""
