"""Forecasters of autonomous systems: recurrent networks, reservoirs, sparse identification, neural ODEs."""
