"""The report of a run, one HTML file: each module makes the data of one part, and ``page`` puts them together."""

from .page import write_report

__all__ = ["write_report"]
