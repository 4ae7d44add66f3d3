"""What all of the service uses: settings, logs, metrics, problems, signed texts."""
