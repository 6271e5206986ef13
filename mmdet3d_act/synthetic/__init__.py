"""Shapes and rooms made up by procedure, scanned with a depth camera.

No scanned or modelled object is behind them: they stand in where no real
data can be had, and serve to compare methods, not for claims about real
objects.
"""

# Importing them registers their categories.
from . import fixtures, furniture, things
