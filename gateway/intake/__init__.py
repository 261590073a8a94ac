"""A decoded batch to its answer, whatever door it came by: admission, turns, grouping, refusals, cancelling."""
