"""Which documents move a model where: probes, gradients and their sketches, from its state."""
