"""Does every fault that breaks a promise raise its own alert, and does nothing else raise one?"""
