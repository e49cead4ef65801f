"""Shows what a run did: statistics of tables, documents in the terminal, one HTML page.

Nothing here reads recipes or runs stages. `content` says what a report holds; whoever ran the
recipe fills it; `page` and `summary` draw it. Importing this package loads nothing heavy.
"""
