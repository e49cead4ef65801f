"""Choose documents under a token budget, from narrow columns only: ids, sources, costs, scores.

spec.py says what is wanted, pool.py reads the pool as distinct documents, gumbel.py and
moments.py make keys, radix.py finds the cut without sorting the pool, quota.py divides budgets,
selector.py puts them together, manifest.py names the result, where.py answers "what if".
"""
