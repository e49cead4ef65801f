"""Other trainers' models and optimizers, stated again in our own words, behind one protocol."""
