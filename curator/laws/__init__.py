"""Laws: forms fitted to finished runs, with their intervals, and what follows from them."""
