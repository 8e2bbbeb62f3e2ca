"""The processes that do the work: the actors, and the scheduler that asks for what is done now and then."""
