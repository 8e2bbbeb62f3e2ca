"""The processes that do the work: the actors, and the scheduler that rings for periodic work."""
