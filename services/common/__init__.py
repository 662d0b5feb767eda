"""What both services use."""
