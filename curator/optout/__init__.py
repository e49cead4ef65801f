"""Documents that somebody wants out: what a list asks for, who is meant, what came of them."""
