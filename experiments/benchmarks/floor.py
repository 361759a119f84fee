"""The least time that MVViT can take on a machine: its operations at the machine's matrix rate, its bytes at its copying rate.

Counted are matrix products, forward and backward, once each as an implementation needs them that never stores a softmax matrix: an
attention has two products forward and five backward, since it forms the matrix again; a linear layer one and two. A product of
(a, b) and (b, c) is 2abc operations. Bytes are those of inputs, outputs, weights and their gradients, each read or written once.
What is done element by element is left out, so the floor is below what can be reached.
"""

from dataclasses import dataclass

from models.bands import stretches

_ATTENTION_PRODUCTS = 2 + 5


@dataclass(frozen=True)
class Work:
    """Operations and numbers (not bytes) read and written, forward and backward."""

    operations: float = 0.0
    numbers: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(self.operations + other.operations, self.numbers + other.numbers)

    def times(self, count: float) -> "Work":
        """The same work several times."""
        return Work(count * self.operations, count * self.numbers)

    def seconds(self, *, operations_per_second: float, bytes_per_second: float, size: int = 4) -> float:
        """The floor: the longer of computing and of reading and writing, as the two can overlap."""
        return max(self.operations / operations_per_second, size * self.numbers / bytes_per_second)


def attention_work(queries: int, keys: int, width: int) -> Work:
    """One attention over all heads: heads divide the width, so their number changes no count."""
    # Forward reads q, k, v and writes the output; backward reads these, the output and its gradient and writes three gradients.
    numbers = (2 * queries + 2 * keys + 4 * queries + 4 * keys) * width
    return Work(_ATTENTION_PRODUCTS * 2 * queries * keys * width, numbers)


def linear_work(rows: int, inputs: int, outputs: int) -> Work:
    """One linear layer."""
    return Work(3 * 2 * rows * inputs * outputs, 3 * rows * inputs + 2 * rows * outputs + 3 * inputs * outputs)


@dataclass(frozen=True)
class Level:
    """One level of MVViT: channels C, cells (H, W), tokens K per view, views V, width D, and rows of a band where it has bands."""

    channels: int
    size: tuple[int, int]
    tokens: int
    views: int
    width: int
    layers: int
    mlp_ratio: float
    band_rows: int | None = None

    @property
    def cells(self) -> int:
        """H*W."""
        return self.size[0] * self.size[1]

    @property
    def pools(self) -> bool:
        """Whether there are more cells than tokens."""
        return self.cells > self.tokens

    @property
    def sequences(self) -> list[int]:
        """Tokens of each sequence that the encoder attends within, over all its layers."""
        if self.band_rows is None:
            return [self.views * self.tokens] * self.layers
        height, columns = self.size
        return [
            self.views * stretch.rows * columns
            for layer in range(self.layers)
            for stretch in stretches(height, self.band_rows, shifted=layer % 2 == 1)
            for _ in range(stretch.number)
        ]

    def attention(self, groups: int) -> Work:
        """Its attentions alone, without their linear layers."""
        work = Work()
        for count in self.sequences:
            work += attention_work(count, count, self.width)
        if self.pools:
            pooling = attention_work(self.tokens, self.cells, self.width)
            unpooling = attention_work(self.cells, self.tokens, self.width)
            work += (pooling + unpooling).times(self.views)
        return work.times(groups)

    def linear(self, groups: int) -> Work:
        """Its linear layers."""
        width, images = self.width, groups * self.views
        cells, tokens = images * self.cells, images * self.tokens
        work = linear_work(cells, self.channels, width) + linear_work(cells, width, self.channels)
        if self.pools:  # query and output of pooling by tokens, key and value by cells; unpooling the other way round
            work += (linear_work(cells, width, width) + linear_work(tokens, width, width)).times(4)
        hidden = int(width * self.mlp_ratio)
        layer = linear_work(tokens, width, width).times(4)
        layer += linear_work(tokens, width, hidden) + linear_work(tokens, hidden, width)
        return work + layer.times(self.layers)
