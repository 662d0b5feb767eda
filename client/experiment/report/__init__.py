"""The report of an experiment or of training runs: its content, and its forms."""
