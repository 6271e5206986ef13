"""Classes of ScanNet: names, ids of the annotation, colours.

Names, order and colours are those of MMDetection3D's data sets, misspellings
included, so that predictions and its tools agree. Ids are those of the NYU40
label set, which is what the mask files of scenes hold.
"""

from __future__ import annotations

# Of the boxes, in the order of their labels.
DETECTION_CLASSES = (
    'cabinet',
    'bed',
    'chair',
    'sofa',
    'table',
    'door',
    'window',
    'bookshelf',
    'picture',
    'counter',
    'desk',
    'curtain',
    'refrigerator',
    'showercurtrain',
    'toilet',
    'sink',
    'bathtub',
    'garbagebin',
)
DETECTION_IDS = (
    3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39,
)  # fmt: skip

# Of the points: walls and floors are no boxes, and the last box class gives
# way to all other furniture.
SEGMENTATION_CLASSES = (
    'wall',
    'floor',
    *DETECTION_CLASSES[:-1],
    'otherfurniture',
)
SEGMENTATION_IDS = (1, 2, *DETECTION_IDS)

# RGB, 0 to 255, one colour for each class.
DETECTION_PALETTE = (
    (31, 119, 180),
    (255, 187, 120),
    (188, 189, 34),
    (140, 86, 75),
    (255, 152, 150),
    (214, 39, 40),
    (197, 176, 213),
    (148, 103, 189),
    (196, 156, 148),
    (23, 190, 207),
    (247, 182, 210),
    (219, 219, 141),
    (255, 127, 14),
    (158, 218, 229),
    (44, 160, 44),
    (112, 128, 144),
    (227, 119, 194),
    (82, 84, 163),
)
SEGMENTATION_PALETTE = ((174, 199, 232), (152, 223, 138), *DETECTION_PALETTE)
