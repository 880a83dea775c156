"""Revisions of the truth half, oldest first."""
