"""Choose elements one after another so that a function of the whole set grows fastest.

engines.py     naive, lazy, stochastic, thresholds, partitions: for any set function
functions.py   facility location, graph cut, saturated coverage, log determinant
similarity.py  kernels of whole numbers, the same bits on every machine
facility.py    facility location fast: every gain always known
on_device.py   the same on a device of torch
chance.py      which of equals comes first
coverage.py    nodes that touch the most sets, each set counted once
cascade.py     how far influence spreads over a graph of neighbors
"""
