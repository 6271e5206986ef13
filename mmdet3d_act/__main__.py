"""``python -m mmdet3d_act`` is the command ``mmdet3d-act``."""

import sys

from mmdet3d_act_cli import main

if __name__ == '__main__':
    sys.exit(main())
