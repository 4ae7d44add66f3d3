"""Arrays without ids: histories, splits, ranking, metrics and what is known of items."""
