"""Tests of the point operations."""
