"""Tuning of a searcher's knobs by Optuna, on training rows that the search has not seen."""
