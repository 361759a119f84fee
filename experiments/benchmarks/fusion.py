"""MVViT alone, forward and backward, at the plan's size: against the plain form, and against the least that it could take.

    python -m experiments.benchmarks --only fusion

A case is one process: warm-up on a small map, then whole repetitions, in turn with the other cases. The plain form is the same
function with every softmax matrix formed (:mod:`experiments.benchmarks.reference`), in float32. Where it would not fit, it is not
tried. Attention in bands is another function, of all the cells: it stands beside the most pooled tokens.
"""

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from experiments.benchmarks.children import Child, OutOfMemory, Sample, available_mb, children, on_gpu, sample
from experiments.benchmarks.figures import Figure, Findings, quotient
from experiments.benchmarks.floor import Level, Work
from experiments.benchmarks.here import is_here
from experiments.benchmarks.rates import copy_rate, matrix_rate

CHANNELS, STRIDES = (256, 512, 1024, 2048), (4, 8, 16, 32)
BAND_ROWS = 4  # of the plan's size, as in the configs
P2 = 1  # how many levels a case of P2 alone has
_RESERVE_MB = 2048  # left to others where memory is shared with them


@dataclass(frozen=True)
class Case:
    """A form of MVViT and its size; ``levels`` are counted from P2, ``image_size`` is in px."""

    form: str  # fused, plain, banded
    tokens: int
    heads: int
    layers: int
    mlp_ratio: float = 3.0
    levels: int = len(STRIDES)
    width: int = 256
    image_size: tuple[int, int] = (720, 256)
    views: int = 8
    groups: int = 1
    precision: str = "float32"

    @property
    def size(self) -> str:
        """Its size in words."""
        levels = "P2" if self.levels == 1 else f"P2-P{self.levels + 1}"
        tokens = f"bands of {BAND_ROWS} rows" if self.form == "banded" else f"K={self.tokens}"
        return f"{levels}, {tokens}, {self.heads} heads, {self.layers} layer{'s' * (self.layers > 1)}"

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """Channels, height and width of each level."""
        height, width = self.image_size
        return [
            (c, -(-height // s), -(-width // s))
            for c, s in zip(CHANNELS[: self.levels], STRIDES[: self.levels], strict=True)
        ]

    @property
    def parts(self) -> list[Level]:
        """The levels as the floor counts them."""
        rows = BAND_ROWS if self.form == "banded" else None
        return [
            Level(
                c, (h, w), h * w if rows else min(self.tokens, h * w), self.views, self.width, self.layers,
                self.mlp_ratio, rows,
            )
            for c, h, w in self.shapes
        ]  # fmt: skip

    @property
    def attention(self) -> Work:
        """The work of its attentions alone."""
        return _sum([level.attention(self.groups) for level in self.parts])

    @property
    def work(self) -> Work:
        """All of its work that the floor counts."""
        return self.attention + _sum([level.linear(self.groups) for level in self.parts])

    def matrices_mb(self) -> float:
        """What the plain form needs for its softmax matrices, MiB."""
        from experiments.benchmarks.reference import matrix_bytes

        images = self.groups * self.views
        return (
            sum(
                matrix_bytes(
                    images,
                    cells=level.cells,
                    tokens=level.tokens,
                    views=self.views,
                    heads=self.heads,
                    layers=self.layers,
                )
                for level in self.parts
            )
            / 2**20
        )


def run_case(case: Case, repetitions: int) -> Sample:
    """Forward and backward, in this process; the first call warms up on a small map."""
    import torch

    model, maps = _built(case)
    gradients = [torch.ones_like(x) for x in maps]

    def work() -> None:
        model.zero_grad(set_to_none=True)
        for x in maps:
            x.grad = None
        mixed = case.precision != "float32"
        with torch.autocast(maps[0].device.type, getattr(torch, case.precision), enabled=mixed):
            out = model(maps)
        torch.autograd.backward(out, gradients)

    return sample(work, repetitions=repetitions, warm_up=int(on_gpu()))  # a GPU's kernels are chosen by size


def run_attention(case: Case, repetitions: int) -> Sample:
    """The attentions of a case alone, forward and backward, on the fused kernel."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    shapes = []
    for level in case.parts:
        alike = Counter(level.sequences)
        shapes += [(case.groups * number, count, count) for count, number in alike.items()]
        if level.pools:
            images = case.groups * case.views
            shapes += [(images, level.tokens, level.cells), (images, level.cells, level.tokens)]
    kind, each = getattr(torch, case.precision), case.width // case.heads

    def work() -> None:
        for batch, queries, keys in shapes:
            q, k, v = (
                torch.randn(batch, case.heads, count, each, device=device, dtype=kind, requires_grad=True)
                for count in (queries, keys, keys)
            )
            torch.nn.functional.scaled_dot_product_attention(q, k, v).backward(torch.ones_like(q))

    return sample(work, repetitions=repetitions, warm_up=int(on_gpu()))  # a GPU's kernels are chosen by size


@cache
def _built(case: Case) -> tuple[Any, list[Any]]:
    """The model and its input, after a warm-up on a small map."""
    import torch

    from experiments.benchmarks.reference import ReferenceMVViT
    from models.mvvit import MVViT

    device = "cuda" if torch.cuda.is_available() else "cpu"

    def build(one: Case) -> tuple[Any, list[Any]]:
        torch.manual_seed(0)
        fused = MVViT(
            in_channels=CHANNELS[: one.levels], strides=STRIDES[: one.levels], image_size=one.image_size,
            num_views=one.views, embed_dims=one.width, num_tokens=one.tokens, num_heads=one.heads,
            num_layers=one.layers, mlp_ratio=one.mlp_ratio, band_rows=BAND_ROWS,
            spatial="banded" if one.form == "banded" else "pooled",
        ).to(device)  # fmt: skip
        maps = [torch.randn(one.groups * one.views, *shape, device=device, requires_grad=True) for shape in one.shapes]
        return (ReferenceMVViT(fused) if one.form == "plain" else fused), maps

    model, maps = build(replace(case, image_size=(64, 64), tokens=32))
    for out in model(maps):
        out.sum().backward()
    return build(case)


def measure(*, quick: bool) -> Findings:
    """Measure all cases that fit this machine and the time; ``quick`` is for a test of the benchmark."""
    findings = Findings("fusion")
    with children("fused", "plain", "banded", *(["bfloat16"] if on_gpu() else [])) as made:
        matrix = findings.add("matrix rate, float32", "10^12/s", made["fused"].call(matrix_rate, "float32") / 1e12)
        copying = findings.add("copying rate", "GB/s", made["fused"].call(copy_rate) / 1e9)
        for size, repetitions, goals in _sizes(quick):
            floor = size.work.seconds(operations_per_second=1e12 * matrix.median, bytes_per_second=1e9 * copying.median)
            _compare(findings, made, size, repetitions, goals, floor)
    return findings


@dataclass(frozen=True)
class _Goals:
    """What is to be reached at a size; ``where`` is the machine they are stated for."""

    where: str
    faster: float | None = None
    smaller: float | None = None
    rate: float | None = None
    plain: bool = True
    banded: bool = False


def _sizes(quick: bool) -> list[tuple[Case, int, _Goals]]:
    """The sizes, how often each is run, and the goals there."""
    if quick:
        small = Case("fused", 64, 8, 2, levels=P2, width=64, image_size=(160, 64))
        return [(small, 2, _Goals(where="", banded=True))]
    on, off = Case("fused", 2048, 8, 2), Case("fused", 1024, 4, 1, mlp_ratio=2.0)
    pooling, p2 = replace(off, tokens=2048), Case("fused", 1024, 8, 2, levels=P2)
    if on_gpu():
        return [
            (off, 5, _Goals("H200")),
            (pooling, 5, _Goals("H200", faster=12, smaller=1 / 10, rate=0.5)),
            (on, 5, _Goals("H200", faster=12, smaller=1 / 10, rate=0.5, banded=True)),
        ]
    return [
        (p2, 3, _Goals("2 cores", faster=7, smaller=1 / 7)),
        (off, 1, _Goals("2 cores", plain=False)),
        (on, 1, _Goals("H200", faster=12, smaller=1 / 10, rate=0.5, plain=False, banded=True)),
    ]


def _compare(
    findings: Findings, made: dict[str, Child], size: Case, repetitions: int, goals: _Goals, floor: float
) -> None:
    cases = {"fused": size, "plain": replace(size, form="plain")}
    if on_gpu():
        cases["bfloat16"] = replace(size, precision="bfloat16")
    if not goals.plain or not _fits(cases["plain"]):
        del cases["plain"]
        why = "would not fit this machine's memory" if goals.plain else "is left out here, since it takes long"
        findings.notes.append(f"{size.size}: the plain form {why}.")
    precision = "bfloat16" if on_gpu() else "float32"
    banded = replace(size, form="banded", precision=precision)
    if goals.banded:
        cases["banded"] = banded
    taken: dict[str, list[Sample]] = {name: [] for name in cases}
    for turn in range(repetitions):
        for name, case in cases.items():
            if turn and (not taken[name] or (name == "plain" and not on_gpu())):
                continue  # it did not fit; or one run is enough of what takes a minute
            found = _taken(made[name], case, findings)
            taken[name] += [] if found is None else [found]
    seconds, processor, peaks = _figures(findings, size, taken)
    rate = made["fused"].call(matrix_rate, precision)
    alone = made["fused"].call(run_attention, replace(size, precision=precision), repetitions)
    findings.add(f"{size.size}: floor", "s", floor)
    findings.add(f"{size.size}: operations", "10^12", size.work.operations / 1e12)
    findings.add(f"{size.size}: of these, of attention", "10^12", size.attention.operations / 1e12)
    findings.add(f"{size.size}: matrix rate, {precision}", "10^12/s", rate / 1e12)
    attention = findings.add(f"{size.size}: attention alone, {precision}", "s", *alone.seconds)
    here = is_here(goals.where)
    if "fused" in seconds:
        findings.ratio(f"{size.size}: time over the floor", seconds["fused"].median / floor)
    if "plain" in seconds:
        findings.ratio(f"{size.size}: plain / floor, the most that could be had", seconds["plain"].median / floor)
    for name in [name for name in cases if name not in ("plain", "banded")]:
        findings.ratio(
            f"{size.size}: plain / {name}, time", quotient(seconds.get("plain"), seconds.get(name)),
            goal=goals.faster, where=goals.where, here=here,
        )  # fmt: skip
        if not on_gpu():
            ratio = quotient(processor.get("plain"), processor.get(name))
            findings.ratio(f"{size.size}: plain / {name}, processor time", ratio)
        findings.ratio(
            f"{size.size}: {name} / plain, memory", quotient(peaks.get(name), peaks.get("plain")),
            goal=goals.smaller, sense="at most", where=goals.where, here=here,
        )  # fmt: skip
    findings.ratio(
        f"{size.size}: attention's operations, share of the {precision} matrix rate",
        size.attention.operations / attention.median / rate, goal=goals.rate, where=goals.where, here=here,
    )  # fmt: skip

    if goals.banded:
        pooled = "bfloat16" if on_gpu() else "fused"
        label = f"{size.size}: bands of {BAND_ROWS} rows / pooled"
        count = banded.attention.operations / size.attention.operations
        findings.ratio(f"{label}, attention's operations", count)
        findings.ratio(f"{label}, all operations", banded.work.operations / size.work.operations)
        findings.ratio(f"{label}, time", quotient(seconds.get("banded"), seconds.get(pooled)))
        findings.ratio(f"{label}, memory", quotient(peaks.get("banded"), peaks.get(pooled)))


def _figures(
    findings: Findings, size: Case, taken: dict[str, list[Sample]]
) -> tuple[dict[str, Figure], dict[str, Figure], dict[str, Figure]]:
    """Seconds, processor seconds and peaks of the cases that ran, by name."""
    seconds, processor, peaks = {}, {}, {}
    for name, samples in taken.items():
        if samples:
            label = f"{size.size}: {name}"
            seconds[name] = findings.add(label, "s", *(s for one in samples for s in one.seconds))
            if not on_gpu():
                values = [s for one in samples for s in one.processor_seconds]
                processor[name] = findings.add(f"{label}, processor", "s", *values)
            peaks[name] = findings.add(f"{label}, peak", "MiB", max(one.peak_mb for one in samples))
    return seconds, processor, peaks


def _taken(child: Child, case: Case, findings: Findings) -> Sample | None:
    try:
        found: Sample = child.call(run_case, case, 1)
    except OutOfMemory as error:
        findings.notes.append(f"{case.size}: {case.form} does not fit: {error}.")
        return None
    return found


def _fits(case: Case) -> bool:
    """Whether the plain form has room; on a GPU it is tried."""
    return on_gpu() or case.matrices_mb() + _RESERVE_MB < available_mb()


def _sum(works: list[Work]) -> Work:
    total = Work()
    for work in works:
        total = total + work
    return total
