"""Claims about matrix sensing and low-rank networks."""
