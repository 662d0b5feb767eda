"""The version of GanPress that is installed."""

from importlib.metadata import version

GANPRESS_VERSION = version("ganpress")
