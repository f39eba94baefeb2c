"""From a suite to the runs that are to be done: suites, plans, cohorts."""
