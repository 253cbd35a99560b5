"""Minima held against another level of theory: relaxed further, compared with where they were, and counted."""
