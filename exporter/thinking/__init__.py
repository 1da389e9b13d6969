"""Pure thinking: from nouns to nouns. Nothing here knows a disk, the network or the time."""
