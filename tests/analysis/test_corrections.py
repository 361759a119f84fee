import pytest

from analysis.corrections import corrected


def test_holm_by_hand() -> None:
    assert corrected([0.04, 0.01, 0.03], method="holm") == pytest.approx([0.06, 0.03, 0.06])


def test_benjamini_and_hochberg_by_hand() -> None:
    assert corrected([0.04, 0.01, 0.02], method="benjamini-hochberg") == pytest.approx([0.04, 0.03, 0.03])


@pytest.mark.parametrize(("method", "name"), [("holm", "holm"), ("benjamini-hochberg", "fdr_bh")])
def test_they_agree_with_statsmodels(method, name) -> None:
    from statsmodels.stats.multitest import multipletests

    ps = [0.2, 0.001, 0.9, 0.04, 0.04, 0.012]
    assert corrected(ps, method=method) == pytest.approx(list(multipletests(ps, method=name)[1]))
    assert corrected([], method=method) == []
