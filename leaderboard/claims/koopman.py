"""Claims about Koopman forecasting."""
