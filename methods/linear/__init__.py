"""Regressions and fixed filters: closed-form linear predictors."""
