"""What looks after a journal that no gateway has open: checking, surveying, salvage, repair."""
