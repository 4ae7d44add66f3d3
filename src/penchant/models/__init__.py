"""The models, a file each; the registry knows them by name."""
