"""Tests of mmdet3d_act; the folders mirror the package."""
