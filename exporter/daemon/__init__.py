"""The long-running program: a worker process for each root, and what keeps them."""
