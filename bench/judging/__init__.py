"""The judge of a gateway: what its callers were told, what the providers received, and whether the two agree."""
