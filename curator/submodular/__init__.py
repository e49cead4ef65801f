"""Choose elements one after another so that a function of the whole set grows fastest.

chance.py     which of equals comes first
coverage.py   nodes that touch the most sets, each set counted once
"""
