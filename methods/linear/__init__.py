"""Closed-form linear predictors: regression on fixed filters, and state-space identification."""
