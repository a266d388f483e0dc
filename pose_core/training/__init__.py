"""Training as a child process of the command line with a run folder."""
