"""Trains small proxies on mixtures: tokenizer, packing, model, optimizer, loop, many runs at once.

Importing this package loads nothing heavy; torch comes with `model`, `optim`, `checkpoint` and
`loop`, the tokenizers library with `tokenizer`.
"""

VERSION = 3  # raise it when the same mixture, proxy, tokens and seed start giving other weights
