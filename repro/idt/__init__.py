"""Improved dense trajectories, Fisher vectors and a linear SVM."""
