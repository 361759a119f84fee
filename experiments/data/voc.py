"""Pascal VOC: one XML file per image, beside it or in Annotations/ with the images in JPEGImages/.

Corners are indices of pixels, counted from 1 and inclusive (VOC2007 development kit, "bndbox"), so that a box over the
whole image is 1, 1, width, height. As detectron2 and mmdetection do, 1 is taken off xmin and ymin: corners in px from 0.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from experiments.data.drafts import Draft, DraftBox, Folder, number

LOOKED_FOR = "Pascal VOC (.xml beside images, or Annotations/ and JPEGImages/)"


def voc_files(folder: Folder) -> list[Path]:
    """The XML files."""
    return [file for file in folder.files if file.suffix.lower() == ".xml"]


def read_voc(folder: Folder) -> tuple[list[str], list[Draft]]:
    """Classes in alphabetical order, and images; one without an XML file is taken to be free of defects."""
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for image in folder.images:
        by_stem[image.stem].append(image)
    drafts = []
    for file in voc_files(folder):
        tree = _load(folder, file)
        path = None if tree is None else _image(folder, file, tree, by_stem[file.stem])
        if tree is not None and path is not None:
            drafts.append(Draft(path, file, _size(folder, file, tree), tuple(_boxes(folder, file, tree))))
    described = {draft.path for draft in drafts}
    drafts += [Draft(image, None, None, ()) for image in folder.images if image not in described]
    return sorted({box.class_name for draft in drafts for box in draft.boxes}), drafts


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses document types before they are read: entities, which can blow up or name other files, need one."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it has a DOCTYPE, which may define entities")


def _load(folder: Folder, file: Path) -> ElementTree.Element | None:
    parser = ElementTree.XMLParser(target=_NoDoctype())
    try:
        tree = ElementTree.fromstring(file.read_bytes(), parser)
    except (OSError, ValueError, LookupError, ElementTree.ParseError) as error:
        folder.problem(file, f"is not a plain XML file ({error}): export it again.")
        return None
    if tree.tag != "annotation":
        folder.problem(
            file, f"is not Pascal VOC (it begins with <{tree.tag}>, not <annotation>): export it again or remove it."
        )
        return None
    return tree


def _image(folder: Folder, file: Path, tree: ElementTree.Element, same: list[Path]) -> Path | None:
    """The image of the ``same`` name, which VOC pairs by, or else the one in <filename>, which tools often leave outdated."""
    near = [image for image in same if image.parent in (file.parent, file.parent.parent / "JPEGImages")]
    for found in (near, same):
        if len(found) == 1:
            return found[0]
    return folder.find((tree.findtext("filename") or file.with_suffix(".jpg").name).strip(), annotation=file)


def _size(folder: Folder, file: Path, tree: ElementTree.Element) -> tuple[int, int] | None:
    if tree.find("size") is None:
        return None
    try:
        return int(tree.findtext("size/width") or ""), int(tree.findtext("size/height") or "")
    except ValueError:
        folder.problem(file, "<size> needs whole numbers <width> and <height>: correct or remove it.")
        return None


def _boxes(folder: Folder, file: Path, tree: ElementTree.Element) -> list[DraftBox]:
    boxes = []
    for i, entry in enumerate(tree.findall("object"), start=1):
        name = (entry.findtext("name") or "").strip()
        corners: list[Any] = [entry.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
        if not name:
            folder.problem(file, f"object {i} has no <name>: name its class or remove it.")
            continue
        try:
            left, top, right, bottom = (number(float(text or "")) for text in corners)
        except ValueError:
            text = (
                f"object {i} ({name}) needs a <bndbox> with the numbers xmin, ymin, xmax, ymax: correct or remove it."
            )
            folder.problem(file, text)
            continue
        boxes.append(DraftBox(f"object {i}", name, (left - 1, top - 1, right, bottom)))
    return boxes
