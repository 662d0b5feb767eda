"""The sub-commands of the client, one a file."""
