"""Coverage-guided fuzzing of everything that reads what others wrote; docs/reliability.md has what it found.

`scripts/fuzz TARGET` runs one target of `targets` in libFuzzer by way of Atheris. What it found is kept in
`corpus` (inputs that reach different code) and `regressions` (inputs that failed once), which the test suite
goes through.
"""
