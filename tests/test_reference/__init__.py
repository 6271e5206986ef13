"""Comparison of the package with golden arrays of the published networks."""
