"""Pictures of clouds, masks and reconstructions.

PNG files without a display, web pages without a network, PLY files. NumPy
and Pillow are all they need; arrays and tensors are both taken.
"""

from .html import write_html
from .pictures import draw_clouds, draw_reconstruction
from .ply import write_ply

__all__ = ['draw_clouds', 'draw_reconstruction', 'write_html', 'write_ply']
