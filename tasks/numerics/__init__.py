"""Mathematics that knows no task: integrators, convolution, scans, quadrature, operators."""
