"""From a log to a model: fit, choose among models, tune hyper-parameters."""
