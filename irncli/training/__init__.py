"""Training: data, losses, optimiser and loop, as a recipe describes them."""
