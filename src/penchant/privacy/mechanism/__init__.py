"""Private statistics of a log: bounded contributions, noise from a secure source, and the fit from what is noised."""
