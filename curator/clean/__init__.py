"""Which documents are text worth keeping: statistics, published rules, language."""
