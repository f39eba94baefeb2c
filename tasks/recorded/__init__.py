"""Recorded data as tasks: files, data frames and arrays are read, checked, split by time, and identified by their content."""
