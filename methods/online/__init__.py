"""Online learners: predict an output, observe it, update."""
