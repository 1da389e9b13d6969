"""What a user can mend."""

from __future__ import annotations


class UserError(Exception):
    """Something a user can mend. The text is one clear sentence, with the place and the remedy."""
