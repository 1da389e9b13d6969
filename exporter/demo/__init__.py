"""A root that is made as the engine makes one, and grows until it is exhausted."""
