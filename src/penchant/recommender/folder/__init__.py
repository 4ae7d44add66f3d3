"""A saved recommender is a folder: a manifest, the items and the learned arrays. Nothing in it can run.

::

    manifest.json           format, versions, model and parameters, recipe, training data, sizes and hashes of files
    items.parquet           ids, training counts, the catalogue
    model.safetensors       exactly the learned arrays, mapped into memory on load
    encoder.onnx            neural models: the graph that turns a history's vectors into one, run without torch
    statistics.safetensors  updatable models: what an update starts from; serving does not load it
    models/0/ ...           the members of a composite, each with its own manifest.json and model.safetensors

Classes come from the registry by name, and file names from this page, never from the content of a file. Loading checks
the manifest, the sizes, the headers, that numbers are finite, and the fingerprint of the ids; ``verify`` also compares
the hash of every file.
"""
