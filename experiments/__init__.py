"""Train one run: configs, data, hooks, records."""

import os

# torch.load then reads weights alone, wherever a library calls it: mmengine falls back to reading, and so running, everything.
os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
