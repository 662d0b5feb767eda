"""Runs a plan: images in, cells through the services, rows into the store."""
