"""The report of a training study: a folder that `ganpress-trainer study` wrote (docs/training-study.md)."""
