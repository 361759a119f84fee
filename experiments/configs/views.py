"""Enough bits, and no pooling (attention in bands of rows), to learn from the other views of a bit: supervised, 848 groups.

Command: python -m experiments train views
Cost: 50 minutes on one CPU core. With mixed_views, its control, it measures what neighbouring views are worth:
python -m experiments.benchmarks.mixed_views
"""

_base_ = ["cpu.py"]

model = dict(detector=dict(backbone=dict(mvvit=dict(spatial="banded"))))
train_dataloader = dict(
    batch_size=1,
    sampler=dict(batch_size=1, source_ratio=[1, 0]),
    dataset=dict(data_root="data/views", labelled=dict(ann_file="annotations/train_unlabeled_truth.json")),
)
val_dataloader = dict(dataset=dict(data_root="data/views"))
train_cfg = dict(max_iters=3500, val_interval=3500)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=50, end=3500, T_max=3450, eta_min=5e-6),
]
burn_in = dict(_delete_=True)
