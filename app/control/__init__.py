"""Which graphs there are, who may do what, and who did what."""
