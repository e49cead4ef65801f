"""Composition and command line: recipes become artifacts here; no algorithm lives here."""
