"""What the engine does: plain async functions, their dependencies handed in as arguments."""
