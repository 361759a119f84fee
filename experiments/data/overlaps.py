"""What several splits share and must not: groups, specimens, pictures. Torch-free."""

from collections.abc import Mapping
from pathlib import Path

from experiments.data.annotations import Annotations
from experiments.data.problems import Problem
from experiments.data.similar import ImageHash, find_copies
from experiments.data.splits import specimen_of

# Which annotation files hold images that must not be known elsewhere; the truth lists those of train_unlabeled again.
_SPLITS = {"train_labeled": 0, "train_unlabeled": 0, "val": 1, "test": 2}


def overlap_problems(found: Mapping[str, Annotations]) -> list[Problem]:
    """Groups and specimens in two splits, and groups that train_unlabeled and its truth do not both list.

    Args:
        found: the annotation files by name.
    """
    names = [name for name in _SPLITS if name in found]
    problems = []
    for i, later in enumerate(names):
        for earlier in names[:i]:
            problems += _shared(found[earlier], found[later], training=_SPLITS[earlier] == _SPLITS[later])
    if "train_unlabeled_truth" in found:
        problems += _unlike(found["train_unlabeled"], found["train_unlabeled_truth"])
    return problems


def _shared(earlier: Annotations, later: Annotations, *, training: bool) -> list[Problem]:
    """Groups in both files, and specimens in both beyond those of these groups; ``training``: both are trained on."""
    groups = earlier.groups.keys() & later.groups.keys()
    problems = [
        Problem(later.file, f"group {group}", f"is also in {earlier.file.name}: remove it from one.")
        for group in sorted(groups)
    ]
    specimens = set.intersection(*({specimen_of(group) for group in part.groups} for part in (earlier, later)))
    for specimen in sorted(specimens - {specimen_of(group) for group in groups}):
        what = f"is also in {earlier.file.name}"
        if training:
            what += (
                ": the labelled groups tell something of the unlabelled ones; keep the groups of a specimen together."
            )
        else:
            what += ", so scores are too good: keep the groups of a specimen (names up to the first _) in one split."
        problems.append(Problem(later.file, f"specimen {specimen}", what, "warning" if training else "error"))
    return problems


def _unlike(shown: Annotations, truth: Annotations) -> list[Problem]:
    if not (shown.groups and truth.groups):
        return []  # a file that cannot be read is a problem of its own
    certain = (shown.groups.keys() ^ truth.groups.keys()) - shown.uncertain - truth.uncertain
    problems = []
    for group in sorted(certain):
        lacking, other = (truth, shown) if group in shown.groups else (shown, truth)
        what = f"is not listed, but {other.file.name} lists it: complete the file, or remove the group there."
        problems.append(Problem(lacking.file, f"group {group}", what))
    return problems


def copy_problems(found: Mapping[str, Annotations], hashes: Mapping[Path, ImageHash]) -> list[Problem]:
    """Images of val and test that show what an image of an earlier split does."""
    images = [
        (name, image, hashes[image.path])
        for name in _SPLITS
        if name in found
        for image in found[name].images.values()
        if image.path is not None and image.path in hashes
    ]
    copies = find_copies(
        [hashed for _, _, hashed in images],
        splits=[_SPLITS[name] for name, _, _ in images],
        specimens=[specimen_of(image.group) for _, image, _ in images],
    )
    problems = []
    for copy in copies:
        (source, original, _), (name, image, _) = images[copy.original], images[copy.copy]
        known = f"{original.file_name} of {found[source].file.name}"
        where = f"image {image.file_name}"
        if copy.same_file:
            what = f"is the same picture as {known}, byte by byte: remove one, else scores are too good."
            problems.append(Problem(found[name].file, where, what))
        else:
            what = (
                f"looks like {known}: their coarse patterns of light and dark differ in {copy.bits} of 255 places, as in copies. "
                "If it is a copy, remove one; different pictures of a uniform scene can be this alike too, and are fine."
            )
            problems.append(Problem(found[name].file, where, what, "warning"))
    return problems
