"""What stands behind ``read_interactions`` and ``Catalog.read``: files, columns, times, and the rows that are wrong."""
