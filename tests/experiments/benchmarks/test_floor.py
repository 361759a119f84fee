"""The floor's counts by hand."""

import pytest

from experiments.benchmarks.floor import Level, Work, attention_work, linear_work
from experiments.benchmarks.fusion import Case


def test_one_attention() -> None:
    # 2 queries, 3 keys, width 4: a product is 2 x 2 x 3 x 4 = 48 operations, and there are 2 + 5.
    # Read and written: q, k, v, output (2 + 3 + 3 + 2) x 4, then q, k, v, output, its gradient and three more (4 x 2 + 4 x 3) x 4.
    assert attention_work(2, 3, 4) == Work(7 * 48, 40 + 80)


def test_one_linear_layer() -> None:
    # 5 rows from 2 to 3: 2 x 5 x 2 x 3 = 60 forward and twice backward. Read x, w, write y; read dy, x, w, write dx, dw.
    assert linear_work(5, 2, 3) == Work(180, (10 + 6 + 15) + (15 + 10 + 6) + (10 + 6))


def test_a_level_that_pools() -> None:
    level = Level(channels=8, size=(3, 2), tokens=2, views=3, width=4, layers=2, mlp_ratio=2.0)
    # Per view 2 queries over 6 keys and back: 2 x 7 x 2 x 2 x 6 x 4; then two layers over 6 tokens: 2 x 7 x 2 x 6 x 6 x 4.
    assert level.attention(1).operations == 3 * 2 * 7 * 96 + 2 * 7 * 288
    assert level.attention(5) == level.attention(1).times(5)
    # Rows: 18 cells, 6 tokens. Project and back 8 <-> 4; four layers of each on 4 x 4; two encoder layers of 4 x (4 x 4) and
    # 2 x (4 x 8).
    assert level.linear(1).operations == 6 * (2 * 18 * 32 + 4 * 18 * 16 + 4 * 6 * 16 + 2 * 6 * (4 * 16 + 2 * 32))


def test_a_level_without_pooling_has_its_encoder_alone() -> None:
    level = Level(channels=8, size=(1, 2), tokens=2, views=3, width=4, layers=1, mlp_ratio=2.0)
    assert level.attention(1).operations == 7 * 288
    assert level.linear(1).operations == 6 * (2 * 6 * 32 + 6 * (4 * 16 + 2 * 32))


def test_a_level_in_bands() -> None:
    # 5 rows of 2 cells, 3 views: bands of 2, 2 and 1 rows hold 12, 12 and 6 tokens; shifted by one row, 6, 12 and 12.
    level = Level(channels=8, size=(5, 2), tokens=10, views=3, width=4, layers=2, mlp_ratio=2.0, band_rows=2)
    assert level.sequences == [12, 12, 6, 6, 12, 12]
    assert level.attention(1).operations == 7 * 2 * 4 * (4 * 144 + 2 * 36)
    # All 30 tokens pass the layers, and nothing is pooled.
    assert level.linear(1).operations == 6 * (2 * 30 * 32 + 2 * 30 * (4 * 16 + 2 * 32))


def test_the_slower_of_computing_and_copying_is_the_floor() -> None:
    work = Work(operations=100, numbers=10)
    assert work.seconds(operations_per_second=10, bytes_per_second=1000) == 10
    assert work.seconds(operations_per_second=1000, bytes_per_second=4) == 10
    assert work.seconds(operations_per_second=1000, bytes_per_second=4, size=2) == 5


def test_the_plans_size() -> None:
    # P2 of 180 x 64 cells, K = 1024: pooling 2 x 8 x 14 x 1024 x 11520 x 256, two layers over 8192 tokens 2 x 14 x 8192^2 x 256.
    case = Case("fused", 1024, 8, 2, levels=1)
    assert case.shapes == [(256, 180, 64)]
    pooling, encoding = 16 * 14 * 1024 * 11520 * 256, 2 * 14 * 8192**2 * 256
    assert case.attention.operations == pytest.approx(pooling + encoding)
    # In bands of 4 rows, 8 x 4 x 64 = 2048 tokens: 45 of them, and shifted 44 with two of half that.
    banded = Case("banded", 2048, 8, 2, levels=1)
    assert banded.attention.operations == 14 * 2048**2 * 256 * (45 + 44 + 2 / 4)
    pooled = Case("fused", 2048, 8, 2, levels=1)
    assert pooled.attention.operations / banded.attention.operations == pytest.approx(2.4, abs=0.05)
    whole = Case("fused", 2048, 8, 2)
    assert [(level.cells, level.tokens) for level in whole.parts] == [
        (11520, 2048), (2880, 2048), (720, 720), (184, 184)
    ]  # fmt: skip
