"""Long enough to learn from the other views of a bit: supervised, on the training groups that other configs leave unlabelled.

Command: python -m experiments train views --data data/cpu
Cost: 15 minutes on one CPU core. With mixed_views, its control, it measures what neighbouring views are worth:
python -m experiments.benchmarks.mixed_views
"""

_base_ = ["cpu.py"]

train_dataloader = dict(
    batch_size=1,
    sampler=dict(batch_size=1, source_ratio=[1, 0]),
    dataset=dict(labelled=dict(ann_file="annotations/train_unlabeled_truth.json")),
)
train_cfg = dict(max_iters=2500, val_interval=2500)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=50, end=2500, T_max=2450, eta_min=5e-6),
]
burn_in = dict(_delete_=True)
