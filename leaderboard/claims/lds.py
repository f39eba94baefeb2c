"""Claims about prediction of linear dynamical systems."""
