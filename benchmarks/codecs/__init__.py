"""Our codecs and their peers, side by side in one run."""
