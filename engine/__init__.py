"""The task engine: actors on four priority tiers, and the services that they call."""
