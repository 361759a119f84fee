"""Checks of settings alone: the teacher's average, thresholds, learning rate, batches and schedule. Torch-free."""

import math
from typing import Any

from experiments.doctor.case import Case, Check
from experiments.doctor.findings import Finding

_SHORTEST_HALF_LIFE = 10  # iterations; below it the teacher is the student of a few steps ago
_LARGEST_MOMENTUM = 0.5  # MultiViewMeanTeacherHook refuses what lies above
_RATE_OFF = 2.0  # factor by which a learning rate may miss that of the changed batch
_RATE_ALONE = 4.0  # factor by which it may be changed where the batch stays
_SEMI = "model.semi_train_cfg"
_ADAPTIVE = ("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adadelta", "Adagrad", "RMSprop")


def ema_findings(case: Case) -> list[Finding]:
    """The teacher's moving average: refused, missing, a copy of the student, or hardly moving in this run."""
    found = next(
        (i for i, hook in enumerate(case.settings.custom_hooks) if str(hook["type"]).endswith("MeanTeacherHook")), None
    )
    if found is None:
        return [_ema(
            "error", "No hook moves the teacher: it stays what it was at the start.", "custom_hooks has no mean teacher hook.",
            "Add dict(type='MultiViewMeanTeacherHook', momentum=0.001) to custom_hooks.",
        )]  # fmt: skip
    hook = case.settings.custom_hooks[found]
    path, momentum = f"custom_hooks.{found}.momentum", float(hook.get("momentum", 0.001))
    if not 0 < momentum <= _LARGEST_MOMENTUM:
        usual = f"{1 - momentum:.3g}" if 0.5 < momentum < 1 else "0.001"
        return [_ema(
            "error", f"{path} is {momentum:g}, but must lie above 0 and not above 0.5.",
            f"It is the student's share per step: the teacher would keep {1 - momentum:.1%} of itself.", f"Set {path} to {usual}.",
        )]  # fmt: skip
    if hook.get("swapped", False):
        return [_ema(
            "error", "The teacher is a copy of the student: shares are swapped.",
            f"custom_hooks.{found}.swapped hands {1 - momentum:g} over as the student's share per step.",
            f"Set custom_hooks.{found}.swapped to false.",
        )]  # fmt: skip
    steps = int(case.settings.train_cfg.max_iters) // int(hook.get("interval", 1))
    kept, half_life = (1 - momentum) ** steps, math.log(0.5) / math.log1p(-momentum)
    evidence = (
        f"momentum {momentum:g}: the teacher's half-life is {half_life:.1f} updates; after the run's {steps} updates "
        f"{kept:.1%} of the teacher is still what it was at the start."
    )
    if half_life < _SHORTEST_HALF_LIFE:
        return [_ema(
            "warning", "The teacher is nearly a copy of the student: it forgets half of itself within a few iterations.",
            evidence, f"Set {path} to 0.01 or less, where averages of students are better teachers than students are.",
        )]  # fmt: skip
    if steps > 0 and kept > 0.5:
        share = min(1 - 0.1 ** (1 / steps), 0.05)
        # In a few steps no share moves the teacher that would not make it a copy of the student in a long run.
        other = f", or set {path} to about {share:.2g}" if (1 - share) ** steps <= 0.5 else ""
        return [_ema(
            "warning", "The teacher hardly moves in this run: more than half of it stays what it was at the start.",
            evidence, f"Train longer (train_cfg.max_iters){other}.",
        )]  # fmt: skip
    return []


def library_hook_findings(case: Case) -> list[Finding]:
    """mmdet's own mean teacher hook: no buffers reach the teacher, and loaded teacher weights are overwritten."""
    for place, hook in enumerate(case.settings.custom_hooks):
        if hook["type"] in ("MeanTeacherHook", "mmdet.MeanTeacherHook"):
            buffers = not hook.get("skip_buffer", True)
            return [Finding(
                "mean teacher hook", "warning",
                "mmdet's MeanTeacherHook copies the student over a loaded teacher at iteration 0"
                + (
                    "." if buffers else ", and leaves BatchNorm statistics out."
                ),
                f"custom_hooks.{place} is {hook['type']} with skip_buffer {hook.get('skip_buffer', True)}.",
                f"Set custom_hooks.{place}.type to MultiViewMeanTeacherHook.",
            )]  # fmt: skip
    return []


def threshold_findings(case: Case) -> list[Finding]:
    """Pseudo-label thresholds that keep everything or nothing, whatever the scores are."""
    semi = case.settings.model.semi_train_cfg
    findings = []
    for name in ("pseudo_label_initial_score_thr", "cls_pseudo_thr", "rpn_pseudo_thr"):
        if not 0 < semi[name] < 1:
            findings.append(Finding(
                "thresholds", "error", f"{name} is {semi[name]:g}: it keeps {'nothing' if semi[name] >= 1 else 'everything'}.",
                "Scores lie between 0 and 1, and boxes with a score above the threshold are kept.",
                f"Set {_SEMI}.{name} between 0 and 1.",
            ))  # fmt: skip
    if semi.reg_pseudo_thr <= 0:
        findings.append(Finding(
            "thresholds", "error", f"reg_pseudo_thr is {semi.reg_pseudo_thr:g}: no pseudo-box trains the box regression.",
            "Boxes with an uncertainty below it are kept, and an uncertainty is at least 0.",
            f"Set {_SEMI}.reg_pseudo_thr above 0, for example to 0.05.",
        ))  # fmt: skip
    return findings


def dead_threshold_findings(case: Case) -> list[Finding]:
    """Thresholds behind another one that is as high already."""
    semi, test = case.settings.model.semi_train_cfg, case.settings.model.detector.test_cfg.rcnn
    initial = semi.pseudo_label_initial_score_thr
    dead = [name for name in ("cls_pseudo_thr", "rpn_pseudo_thr") if semi[name] <= initial]
    findings = []
    if dead:
        values = " and ".join(f"{name} ({semi[name]:g})" for name in dead)
        findings.append(Finding(
            "dead thresholds", "note",
            f"{values} cannot drop a box: all have passed pseudo_label_initial_score_thr ({initial:g}) before.",
            "Soft Teacher drops boxes by the initial threshold first; the other two see the rest.",
            f"For an effect, set them above {_SEMI}.pseudo_label_initial_score_thr.",
        ))  # fmt: skip
    if 0 < initial <= test.score_thr:
        findings.append(Finding(
            "dead thresholds", "note",
            f"pseudo_label_initial_score_thr ({initial:g}) does nothing: the teacher predicts no box below {test.score_thr:g}.",
            "model.detector.test_cfg.rcnn.score_thr applies to the teacher's predictions first.",
            f"Set {_SEMI}.pseudo_label_initial_score_thr above {test.score_thr:g}.",
        ))  # fmt: skip
    return findings


def rate_findings(case: Case) -> list[Finding]:
    """A learning rate that does not go with the batch, measured against the config's own pair of both.

    With SGD the rate goes with the batch (Goyal et al. 2017, arXiv 1706.02677), with adaptive optimisers with its root
    (Malladi et al. 2022, arXiv 2205.10330).
    """
    rate, own_rate = (float(settings.optim_wrapper.optimizer.lr) for settings in (case.settings, case.unchanged))
    batch, own_batch = (int(settings.train_dataloader.batch_size) for settings in (case.settings, case.unchanged))
    path, kind = "optim_wrapper.optimizer.lr", str(case.settings.optim_wrapper.optimizer.type)
    if batch < 1:  # told by the check of the batch
        return []
    if rate <= 0:
        says, evidence = f"The learning rate is {rate:g}: nothing is learnt.", f"{path} must be above 0."
        return [Finding("learning rate", "error", says, evidence, f"Set {path} to {own_rate:g}, as the config has it.")]
    adaptive = kind in _ADAPTIVE
    wanted = own_rate * (batch / own_batch) ** (0.5 if adaptive else 1)
    off = max(rate / wanted, wanted / rate)
    if off < (_RATE_ALONE if batch == own_batch else _RATE_OFF) - 1e-9:
        return []
    times = f"{off:.2g}" if off < 10 else f"{off:,.0f}"
    rule = "the root of the batch (arXiv 2205.10330)" if adaptive else "the batch (arXiv 1706.02677)"
    return [Finding(
        "learning rate", "warning",
        f"The learning rate {rate:g} is {times} times too {'high' if rate > wanted else 'low'} for {_groups(batch)} per batch, "
        f"by the config's own pair.",
        f"The config has {own_rate:g} for {_groups(own_batch)}; with {kind} the rate goes with {rule}, which gives {wanted:.3g}.",
        f"Set {path} to about {wanted:.3g}, or keep it if it was searched for at this batch.",
    )]  # fmt: skip


def batch_findings(case: Case) -> list[Finding]:
    """Batches that differ between loader and sampler, or hold no labelled or no unlabelled groups."""
    loader = case.settings.train_dataloader
    size, drawn = loader.batch_size, loader.sampler.batch_size
    if min(size, drawn) < 1:
        return [Finding(
            "batch", "error", "A batch without groups: nothing can be trained.",
            f"train_dataloader.batch_size is {size}, train_dataloader.sampler.batch_size {drawn}.",
            "Set both to the same number, 1 or more.",
        )]  # fmt: skip
    if size % drawn:
        return [Finding(
            "batch", "error", f"The loader makes batches of {size} groups, the sampler orders them for batches of {drawn}.",
            f"train_dataloader.batch_size is {size}, train_dataloader.sampler.batch_size {drawn}: labelled and unlabelled groups "
            f"would not be mixed as source_ratio says.", "Set both to the same number.",
        )]  # fmt: skip
    labelled, unlabelled = _shares(drawn, loader.sampler.source_ratio)
    path = "train_dataloader.sampler"
    ratio = list(loader.sampler.source_ratio)
    evidence = f"batch_size {drawn} and source_ratio {ratio} make {labelled} labelled and {unlabelled} unlabelled."
    if labelled < 1:
        return [Finding("batch", "error", "No labelled group is in a batch: the supervised loss cannot be computed.", evidence,
                        f"Change {path}.source_ratio or batch_size so that at least one is.")]  # fmt: skip
    if unlabelled < 1:
        return [Finding("batch", "warning", "No unlabelled group is in a batch: the run is supervised only.", evidence,
                        f"Change {path}.source_ratio or batch_size, unless a supervised control is meant.")]  # fmt: skip
    return []


def schedule_findings(case: Case) -> list[Finding]:
    """A run of no length, a warm-up that takes all of it, and a decay that ends before or after it."""
    iterations, findings = case.settings.train_cfg.max_iters, []
    if not isinstance(iterations, int) or iterations < 1:
        says, remedy = (
            f"train_cfg.max_iters is {iterations}: nothing can be trained.",
            "Give a whole number of at least 1.",
        )
        return [Finding("schedule", "error", says, "Training would refuse it.", remedy)]
    for place, entry in enumerate(case.settings.param_scheduler):
        path, end = f"param_scheduler.{place}", entry.get("end", math.inf)
        if entry["type"] == "LinearLR" and end >= iterations:
            findings.append(_schedule(
                f"The warm-up lasts {end} iterations, the run {iterations}: the full learning rate is never reached.",
                f"{path}.end is {end}, train_cfg.max_iters {iterations}.", f"Set {path}.end to a tenth of the run or less.",
            ))  # fmt: skip
        if entry["type"] == "CosineAnnealingLR":
            span = end - entry.get("begin", 0)
            if end != iterations or entry.get("T_max", span) != span:
                findings.append(_schedule(
                    f"The learning rate's decay does not end with the run, at iteration {iterations}.",
                    f"{path} has begin {entry.get('begin', 0)}, end {end} and T_max {entry.get('T_max', span)}.",
                    f"Set {path}.end to {iterations} and {path}.T_max to {iterations - entry.get('begin', 0)}.",
                ))  # fmt: skip
    return findings


def checkpoint_findings(case: Case) -> list[Finding]:
    """A run that cannot go on after an interruption because no checkpoint is written before its end."""
    interval, iterations = case.settings.default_hooks.checkpoint.interval, case.settings.train_cfg.max_iters
    if 0 < interval <= max(iterations, 1):
        return []
    return [Finding(
        "checkpoints", "warning", "No checkpoint is written before the run's end: interrupted, it begins anew.",
        f"default_hooks.checkpoint.interval is {interval}, train_cfg.max_iters {iterations}.",
        f"Set default_hooks.checkpoint.interval to {max(1, iterations // 10)}.",
    )]  # fmt: skip


def _ema(level: Any, says: str, evidence: str, remedy: str) -> Finding:
    return Finding("EMA momentum", level, says, evidence, remedy)


def _schedule(says: str, evidence: str, remedy: str) -> Finding:
    return Finding("schedule", "warning", says, evidence, remedy)


def _groups(number: int) -> str:
    return f"{number} group{'' if number == 1 else 's'}"


def _shares(batch: int, ratio: Any) -> tuple[int, int]:
    """Labelled and unlabelled groups of a batch, rounded as mmdet's MultiSourceSampler rounds."""
    unlabelled = int(batch * ratio[1] / sum(ratio))
    return batch - unlabelled, unlabelled


CHECKS = (
    Check("EMA momentum", (), ema_findings),
    Check("mean teacher hook", (), library_hook_findings),
    Check("thresholds", (), threshold_findings),
    Check("dead thresholds", (), dead_threshold_findings),
    Check("learning rate", (), rate_findings),
    Check("batch", (), batch_findings),
    Check("schedule", (), schedule_findings),
    Check("checkpoints", (), checkpoint_findings),
)
