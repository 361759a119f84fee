"""``python -m tools.documents``: write the reference pages, and draw the charts of the stored studies."""

from tools.documents import charts
from tools.documents.pages import FOLDER, PAGES

for name, write in PAGES.items():
    (FOLDER / name).write_text(write())
    print(f"wrote {(FOLDER / name).relative_to(FOLDER.parent.parent)}")
for name in charts.draw(charts.FOLDER):
    print(f"wrote docs/{name}")
