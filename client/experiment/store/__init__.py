"""The results of an experiment: their columns, and the folder that holds them."""
