"""Blind rating studies: design, preparation, orders, votes, analysis. Imports no torch."""
