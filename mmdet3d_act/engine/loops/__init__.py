"""Loops: how a data set is gone through."""

from mmdet3d_act.engine.loops.voting_test_loop import VotingTestLoop

__all__ = ['VotingTestLoop']
