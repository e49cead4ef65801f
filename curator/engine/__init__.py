"""Engines map a function over jobs; the driver turns stages into jobs and records.

An engine knows nothing of stages, shards or stores: it is anything with the method `map` of
`curator.engine.run.Engine`. Rows never travel through the driver: a job names files and its
result names files.
"""
