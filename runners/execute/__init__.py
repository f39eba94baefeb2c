"""From a cohort to its results: executors, processes, workers and the scorer."""
