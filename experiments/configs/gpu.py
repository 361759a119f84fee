"""Many arms on one card: views of 128x360 px, ResNet-18, four levels. Sizes are ours.

Command: python -m experiments train gpu
"""

_base_ = ["cpu.py"]

model = dict(
    precision="bfloat16",
    detector=dict(
        backbone=dict(
            backbone=dict(
                stem_channels=64, base_channels=64, num_stages=4, strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1),
                out_indices=(0, 1, 2, 3),
            ),
            mvvit=dict(
                in_channels=[64, 128, 256, 512], strides=[4, 8, 16, 32], image_size=(360, 128), embed_dims=128
            ),
        ),
        neck=dict(in_channels=[64, 128, 256, 512], out_channels=128, num_outs=4),
        rpn_head=dict(in_channels=128, feat_channels=128, anchor_generator=dict(strides=[4, 8, 16, 32])),
        roi_head=dict(
            bbox_roi_extractor=dict(
                roi_layer=dict(output_size=7, sampling_ratio=2), out_channels=128, featmap_strides=[4, 8, 16, 32]
            ),
            bbox_head=dict(in_channels=128, fc_out_channels=512, roi_feat_size=7),
        ),
        train_cfg=dict(
            rpn=dict(sampler=dict(num=128)), rpn_proposal=dict(nms_pre=1000, max_per_img=200), rcnn=dict(sampler=dict(num=128))
        ),
        test_cfg=dict(rpn=dict(nms_pre=1000, max_per_img=200), rcnn=dict(max_per_img=50)),
    ),
    semi_train_cfg=dict(min_pseudo_bbox_wh=(4, 4)),
)  # fmt: skip
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(batch_size=4),
    dataset=dict(data_root="data/gpu"),
)
val_dataloader = dict(batch_size=4, num_workers=2, persistent_workers=True, dataset=dict(data_root="data/gpu"))
train_cfg = dict(max_iters=3000, val_interval=1000)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=3000, T_max=2900, eta_min=5e-6),
]
default_hooks = dict(checkpoint=dict(interval=250), logger=dict(interval=50))
custom_hooks = [
    dict(type="MultiViewMeanTeacherHook", momentum=0.002, swapped=False),
]
burn_in = {
    "train_cfg.max_iters": 2000,
    "train_cfg.val_interval": 2000,
    "train_dataloader.batch_size": 2,
    "train_dataloader.sampler.batch_size": 2,
    "param_scheduler.0.end": 100,
    "param_scheduler.1.begin": 100,
    "param_scheduler.1.end": 2000,
    "param_scheduler.1.T_max": 1900,
}
