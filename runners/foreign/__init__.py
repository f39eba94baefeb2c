"""Methods in an environment of their own: another interpreter, reached through one small file."""
