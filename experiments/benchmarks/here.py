"""Which of the machines that goals are stated for this is."""

import os


def is_here(where: str) -> bool:
    """Whether a goal stated for ``where`` is judged on this machine.

    Args:
        where: "H200" for that card; "2 cores" for a machine of two cores without a GPU; "GPU"; or "" for any machine.

    Raises:
        ValueError: it is none of these.
    """
    import torch

    gpu = torch.cuda.is_available()
    if where == "":
        return True
    if where == "2 cores":
        return not gpu and len(os.sched_getaffinity(0)) == 2
    if where == "GPU":
        return gpu
    if where == "H200":
        return gpu and where in torch.cuda.get_device_name()
    raise ValueError(f"No goal is stated for {where!r}.")
