"""The sub-commands of the trainer, one a file."""
