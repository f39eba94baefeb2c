"""Rows that a change of the source does not change: carried from the digests of an older revision to those of today."""
