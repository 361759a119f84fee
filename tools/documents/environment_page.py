"""The environment variables that are read."""

import re

from experiments.tracking.choice import DEFAULT, NAMES
from experiments.tracking.facts import PROJECT
from tools.documents.markdown import code, page, table
from tools.lock import ROOT

MEANINGS = {
    "RUNS": "Folder of all runs and studies; default `runs/` of the repository.",
    "DATA_ROOT": "Folder of the scales' own data sets; default `data/` of the repository.",
    "CONFIGS": "Folder of the configs that are known by name; default `experiments/configs/` of the repository.",
    "VIEW_CACHE": "Folder of decoded views that all processes of a machine share, on a local disk; `off` for none; default "
    "`multiview-ablation-lab` in `XDG_CACHE_HOME`.",
    "XDG_CACHE_HOME": "Folder of the user's caches; default `~/.cache`.",
    "STORAGE": "Address of a study's ledger, like `postgresql://user@host/db`; default a SQLite file in the study's folder.",
    "TRACK": f"Where figures go beside the record: of {', '.join(NAMES)}, joined by commas; default `{DEFAULT}`.",
    "CUDA_VISIBLE_DEVICES": "The cards to use, as PyTorch and CUDA read it; `--gpus` sets it for workers.",
    "OMP_NUM_THREADS": "Threads that training may use on a CPU, as PyTorch reads it; workers divide them; default one a core.",
    "HANG_MINUTES": "Minutes without an iteration after which the process of a run that hangs ends itself; default 60, 0 never.",
    "WANDB_MODE": "`offline` (default), `online` or `disabled`.",
    "WANDB_PROJECT": f"W&B's project; default `{PROJECT}`.",
    "WANDB_ENTITY": "W&B's team or user; default the account's own.",
    "WANDB_API_KEY": "W&B's key, where `wandb login` has not stored one.",
    "WANDB_BASE_URL": "W&B's server, where it is not the public one.",
    "NETRC": "File that W&B's key is looked for in; default `~/.netrc`.",
    "RANK": "Set by torchrun: the number of this process among those that train one run.",
    "LOCAL_RANK": "Set by torchrun: its number on this machine, which is that of its card.",
}  # fmt: skip
_READ = re.compile(
    r'os\.environ(?:\.get\("([A-Z_]+)"|\["([A-Z_]+)"\](?! =))|environment\.get\("((?!HTTP_)[A-Z_]+)"|'
    r'"([A-Z_]+)" not in os\.environ|envvar="([A-Z_]+)"'
)


def names_read() -> set[str]:
    """The names that the packages' sources read."""
    packages = ("experiments", "models", "ablations", "analysis")
    sources = (path.read_text() for package in packages for path in (ROOT / package).rglob("*.py"))
    return {next(filter(None, groups)) for source in sources for groups in _READ.findall(source)}


def environment_page() -> str:
    """The page."""
    lead = "Beside these, PyTorch, W&B and PostgreSQL read their own, like `HTTPS_PROXY`, `PGPASSFILE`."
    rows = ((code(name), meaning) for name, meaning in MEANINGS.items())
    return page("Environment variables", lead, [table(("variable", "meaning"), rows)])
