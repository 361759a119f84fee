"""``python -m tools.documents``: write the reference pages."""

from tools.documents.pages import FOLDER, PAGES

for name, write in PAGES.items():
    (FOLDER / name).write_text(write())
    print(f"wrote {(FOLDER / name).relative_to(FOLDER.parent.parent)}")
