"""The plan of an experiment: what it may say, and how a file of it is read."""
