"""Tests of mmdet3d_act.evaluation."""
