"""Shared by the whole service: settings, logs, metrics, problems, rate limits, signed texts."""
