"""The in-edge: reads the disk, the engine's records and the kernel's tables, and gives nouns."""
