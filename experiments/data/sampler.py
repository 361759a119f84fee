"""Which groups make up a batch."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from experiments.data.notice import without_notice

with without_notice():  # nothing imports mmdet.datasets before this
    from mmdet.datasets.samplers import MultiSourceSampler
    from mmdet.registry import DATA_SAMPLERS


class Draw(NamedTuple):
    """A group to load: ``item`` of the data set, drawn as the ``number``-th of ``source`` in a run of this ``seed``.

    Of several ranks each has its own numbers: they are those that one process would have.
    """

    item: int
    seed: int
    source: int
    number: int


@DATA_SAMPLERS.register_module()
class MixedGroupSampler(MultiSourceSampler):
    """mmdet's multi-source sampler, which may also leave a source out, and which a resumed run can set forward.

    The library's own never returns where a source has the ratio 0: it collects indices of that source for ever.
    """

    skipped = 0

    def skip(self, num_samples: int) -> None:
        """Leave out the first ``num_samples`` draws: mmengine calls it when a run resumes, and loads no data for them."""
        self.skipped = num_samples

    def __iter__(self) -> Iterator[Draw]:
        """Yield draws batch by batch: first the labelled groups of a batch, then its unlabelled ones, for ever."""
        return itertools.islice(self._batches(), self.skipped, None)

    def _batches(self) -> Iterator[Draw]:
        numbers = [itertools.count(self.rank, self.world_size) for _ in self.num_per_source]
        while True:
            for source, size in enumerate(self.num_per_source):
                for index in itertools.islice(self.source2inds[source], size):
                    yield Draw(index + self.cumulative_sizes[source], self.seed, source, next(numbers[source]))
