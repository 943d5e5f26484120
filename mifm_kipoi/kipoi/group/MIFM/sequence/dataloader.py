"""The dataloader of the Kipoi model in this folder; the code is in the package."""

from mifm_kipoi.kipoi.dataloaders import IntervalDataloader

__all__ = ["IntervalDataloader"]
