"""The errors that a user can mend; the command line prints them without a traceback."""


class MIFMError(Exception):
    """Base of every error caused by input, files or configuration.

    The message says what was found, where, what was expected and what to do.
    """


class GenomeError(MIFMError):
    """A FASTA file that cannot be read or indexed."""


class VariantFileError(MIFMError):
    """A VCF or BCF file that cannot be read."""


class IntervalFileError(MIFMError):
    """A BED file that cannot be read."""


class ReferenceMismatchError(MIFMError):
    """More REF alleles than a few differ from the FASTA: most likely another genome build."""


class InputError(MIFMError):
    """An input file that cannot be read, or that does not fit the others."""


class OutputError(MIFMError):
    """An output file that cannot be written."""


class FormatError(OutputError):
    """Something that the format of the output cannot hold, however often it is tried."""


class WeightsError(MIFMError):
    """Weights that are unknown, missing, damaged or unsafe to read."""


class WorkerError(MIFMError):
    """A worker process that did not end by itself."""


class OptionError(MIFMError):
    """An option with an impossible value, or options that exclude each other."""


class MissingPackageError(MIFMError):
    """An optional package that is not installed."""
