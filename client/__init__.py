"""The command-line client, and the library under it."""
