"""Tests of mmdet3d_act.engine.hooks."""
