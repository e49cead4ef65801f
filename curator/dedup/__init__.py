"""Which documents are copies: of each other, and of what a benchmark will ask.

    exact.py          equal normalized text
    minhash.py        candidates: documents that share a band of their MinHash signatures
    clusters.py       what the shared bands join together
    shingles.py       exact shingle sets, and who is a copy of whom within a cluster
    verify.py         candidates become removals only where the sets say so
    near.py           settings of near-duplicate removal and the stages that they make
    in_memory.py      near-duplicates of a table, without a store
    survivors.py      who stays, what a removal says, decisions, the guard on a source's loss
    benchmarks.py     benchmark files read into items
    benchmark_index.py  hashes of every item's runs of words
    scan.py           one pass over documents that lets only possible copies of runs through
    contamination.py  the stage that looks these up, drops documents and says why

Nobody is removed for resembling a document that is itself removed: every removal names the kept
document it was compared with, and the two numbers that decided.
"""
