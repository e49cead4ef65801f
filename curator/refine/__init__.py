"""Documents made of documents: edits, rewritings, extensions, and their controls."""
