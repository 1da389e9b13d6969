"""The HTTP side: read-only pages, rendered from the newest reports."""
