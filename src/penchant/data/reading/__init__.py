"""The parts of ``read_interactions`` and ``Catalog.read``: formats, columns, ids, values, times and bad rows."""
