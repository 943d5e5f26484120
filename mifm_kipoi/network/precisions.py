"""Formats of activations, by the names that options have for them."""

FULL = "fp32"

PRECISIONS: dict[str, str | None] = {FULL: None, "bf16": "bfloat16", "fp16": "float16"}
"""PyTorch's name of each format; None stands for that of the model's own numbers."""
