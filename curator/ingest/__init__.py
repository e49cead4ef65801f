"""Readers: bytes of any kind in, documents with their origin out, and every fault counted."""
