"""Transition states: bands between minima, searches from their maxima, and the minima on both sides."""
