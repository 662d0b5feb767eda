"""Mixed load for hours, with faults injected: what leaks, what fails, what slows down."""
