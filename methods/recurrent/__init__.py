"""Recurrent models of dynamics."""
