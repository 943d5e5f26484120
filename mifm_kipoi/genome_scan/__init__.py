"""Every position of a genome: its scores, files of them, and their look-up."""
