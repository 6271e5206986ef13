"""Shapes made up by procedure: categories, sampling, depth-sensor scans.

Everything in here is invented by formula and random numbers; no scanned or
modelled object is behind it. It stands in for real data where none can be
downloaded, and it is good for comparing methods with each other, not for
claims about real objects. Only NumPy is needed.

Furnished rooms are in the modules beside (`rooms`, `room_scan`,
`room_writer`), which are not imported here: they take the class names of the
ScanNet data sets, and Pillow for the frames.
"""

from .catalog import category_names, get_category, shape_rng
from .category import Category, ShapeBuilder
from .mesh import Cloud, Mesh, Shape, sample_surface
from .plan import Job, SetOptions, plan_jobs
from .scan import ScanOptions, observe
from .writer import make_cloud, write_set

__all__ = [
    'Category',
    'Cloud',
    'Job',
    'Mesh',
    'ScanOptions',
    'SetOptions',
    'Shape',
    'ShapeBuilder',
    'category_names',
    'get_category',
    'make_cloud',
    'observe',
    'plan_jobs',
    'sample_surface',
    'shape_rng',
    'write_set',
]
