"""Numerical routines that do not depend on tasks: integrators, convolution, scans, quadrature, operators."""
