"""Train one run: configs, data, hooks, records."""
