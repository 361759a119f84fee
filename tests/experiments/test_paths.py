"""Names of folders, and of studies in commands that are printed to be given."""

from pathlib import Path

from experiments.paths import REPOSITORY, study_options


def test_a_study_elsewhere_is_named_with_its_folder_of_runs(tmp_path: Path) -> None:
    assert study_options(REPOSITORY / "runs" / "noise-all") == "--study noise-all"
    assert study_options(REPOSITORY / "docs" / "runs" / "s") == f"--study s --runs-root {REPOSITORY}/docs/runs"
    assert study_options(tmp_path / "my runs" / "s") == f"--study s --runs-root '{tmp_path}/my runs'"
