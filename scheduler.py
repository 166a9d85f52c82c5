"""When: one line per job."""
