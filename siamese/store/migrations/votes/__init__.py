"""Revisions of the votes half, oldest first."""
