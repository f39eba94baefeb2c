"""Claims about chaotic reconstruction."""
