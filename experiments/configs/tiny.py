"""A run in seconds, for tests: nothing is learnt at this scale.

Command: python -m experiments train tiny
"""

_base_ = ["cpu.py"]

model = dict(
    detector=dict(
        backbone=dict(
            backbone=dict(stem_channels=16, base_channels=16),
            mvvit=dict(in_channels=[16, 32, 64], image_size=(96, 48), embed_dims=32),
        ),
        neck=dict(in_channels=[16, 32, 64], out_channels=32),
        rpn_head=dict(in_channels=32, feat_channels=32),
        roi_head=dict(bbox_roi_extractor=dict(out_channels=32), bbox_head=dict(in_channels=32, fc_out_channels=32)),
        train_cfg=dict(rpn_proposal=dict(nms_pre=60, max_per_img=40), rcnn=dict(sampler=dict(num=32))),
        test_cfg=dict(rpn=dict(nms_pre=60, max_per_img=40)),
    ),
)
train_dataloader = dict(dataset=dict(data_root="data/tiny"))
val_dataloader = dict(dataset=dict(data_root="data/tiny"))
train_cfg = dict(max_iters=4, val_interval=4)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=1),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=1, end=4, T_max=3, eta_min=5e-6),
]
default_hooks = dict(checkpoint=dict(interval=1), logger=dict(interval=1))
burn_in = {
    "train_cfg.max_iters": 4,
    "train_cfg.val_interval": 4,
    "param_scheduler.0.end": 1,
    "param_scheduler.1.begin": 1,
    "param_scheduler.1.end": 4,
    "param_scheduler.1.T_max": 3,
}
