"""How fast `client experiment` runs a plan."""
