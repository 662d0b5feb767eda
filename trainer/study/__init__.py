"""The 2022 study's training runs, done again, its figures beside ours (docs/training-study.md).

plan -> sets -> running -> outcome -> record and tables
"""
