"""How well scores find what is known of variants: labels, measured effects."""
