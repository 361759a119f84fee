"""Whether W&B knows who is asking, and answers: found out quickly, and told in one sentence, before anything is sent."""

import netrc
import os
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from experiments.errors import UserError

_PATIENCE = 10.0  # seconds


def check_login(purpose: str) -> None:
    """Refuse where there is neither ``WANDB_API_KEY`` nor an entry that ``wandb login`` made, or no answer from the server.

    Raises:
        UserError: so it is; ``purpose`` begins the sentence.
    """
    address = server()
    host = urlsplit(address).hostname or address
    if not os.environ.get("WANDB_API_KEY") and not any(_has_entry(path, host) for path in _netrc_files()):
        raise UserError(f"{purpose} needs a W&B account: set WANDB_API_KEY, or run `wandb login`.")
    try:
        with urllib.request.urlopen(address, timeout=_PATIENCE):
            pass
    except urllib.error.HTTPError:
        pass  # an answer, whatever it says
    except (OSError, ValueError) as error:
        said = getattr(error, "reason", error)
        raise UserError(f"{purpose} needs a network: {host} does not answer ({said}).") from None


def server() -> str:
    """The address of W&B's server: ``WANDB_BASE_URL``, or wandb's own default."""
    address = os.environ.get("WANDB_BASE_URL")
    if not address:
        import wandb

        address = str(wandb.Settings().base_url)
    return address


def _netrc_files() -> list[Path]:
    named = os.environ.get("NETRC")
    return [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]


def _has_entry(path: Path, host: str) -> bool:
    try:
        return netrc.netrc(str(path)).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
