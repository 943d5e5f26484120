"""What each base of a window contributes to its logit: DeepLIFT and in-silico mutagenesis, into one file."""
