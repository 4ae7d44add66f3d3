"""The command line: one module a group of commands; whatever is heavy is imported inside the commands."""
