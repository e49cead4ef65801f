"""Turn a selection into what is trained on: shares, epochs, an order, and files.

share.py gives weights, draw.py whole documents in their order, tokens.py the folder that the
trainer reads, reader.py reads it back, export.py hands over to other tools.
"""

from __future__ import annotations

from curator.mix.reader import Mixture, load

__all__ = ["Mixture", "load"]
