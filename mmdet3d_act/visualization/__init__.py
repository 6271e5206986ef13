"""Pictures of clouds, scenes, reconstructions and results.

PNG files without a display, web pages without a network, PLY files. What is
shown together is rows of :class:`Panel`: ``reconstructions`` and
``scenes`` make them, :func:`draw_sheet` and :func:`write_html` show them.
"""

from .html import write_html
from .plots import (
    CurvePoint,
    curves_svg,
    draw_confusion,
    draw_curves,
    write_confusion,
)
from .ply import write_ply, write_ply_files
from .sheet import Boxes, Panel, draw_sheet, render_sheet
