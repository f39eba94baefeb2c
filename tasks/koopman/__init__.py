"""Forecast smooth dynamics and recover the spectrum of the Koopman operator."""
