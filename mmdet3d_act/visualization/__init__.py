"""Pictures of clouds, masks and reconstructions.

PNG files without a display, web pages without a network, PLY files. NumPy
and Pillow are all they need; arrays and tensors are both taken. What the
models of this package make of clouds is in ``visualization.reconstructions``,
which needs PyTorch.
"""

from .confusion import draw_confusion, write_confusion
from .html import write_html
from .pictures import draw_clouds
from .ply import write_ply
from .stages import (
    Stage,
    draw_stages,
    render_stages,
    spread_labels,
    write_stages_html,
    write_stages_ply,
)

__all__ = [
    'Stage',
    'draw_clouds',
    'draw_confusion',
    'draw_stages',
    'render_stages',
    'spread_labels',
    'write_confusion',
    'write_html',
    'write_ply',
    'write_stages_html',
    'write_stages_ply',
]
