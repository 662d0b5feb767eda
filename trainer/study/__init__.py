"""The 2022 study's training runs, done again: the same runs, its figures beside ours (docs/study.md).

plan -> sets -> running -> outcome -> record and tables
"""
