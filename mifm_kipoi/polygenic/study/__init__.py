"""From studies to an evaluation of polygenic scores: all steps from one configuration."""
