"""Minutes on two CPU cores: the default scale. Sizes were found by measurement; see README.

Command: python -m experiments train cpu
"""

_base_ = ["base.py"]

image_size = (240, 96)
model = dict(
    precision="float32",
    detector=dict(
        backbone=dict(
            backbone=dict(
                _delete_=True,
                type="ResNet",
                depth=18,
                stem_channels=32,
                base_channels=32,
                num_stages=3,
                strides=(1, 2, 2),
                dilations=(1, 1, 1),
                out_indices=(0, 1, 2),
                frozen_stages=-1,
                norm_cfg=dict(type="BN", requires_grad=True),
                norm_eval=False,
                style="pytorch",
            ),
            mvvit=dict(in_channels=[32, 64, 128], strides=[4, 8, 16], image_size=image_size, embed_dims=64),
        ),
        neck=dict(in_channels=[32, 64, 128], out_channels=64, num_outs=3),
        rpn_head=dict(in_channels=64, feat_channels=64, anchor_generator=dict(scales=[4, 6], strides=[4, 8, 16])),
        roi_head=dict(
            bbox_roi_extractor=dict(
                roi_layer=dict(output_size=5, sampling_ratio=1), out_channels=64, featmap_strides=[4, 8, 16]
            ),
            bbox_head=dict(in_channels=64, fc_out_channels=256, roi_feat_size=5),
        ),
        train_cfg=dict(
            # From scratch, the plan's "no more negatives than positives" leaves the proposals unranked: no such bound here.
            rpn=dict(sampler=dict(neg_pos_ub=-1)),
            rpn_proposal=dict(nms_pre=300, max_per_img=200),
            rcnn=dict(sampler=dict(num=128, neg_pos_ub=-1)),
        ),
        test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=200), rcnn=dict(nms=dict(iou_threshold=0.3), max_per_img=20)),
    ),
    semi_train_cfg=dict(min_pseudo_bbox_wh=(3, 3)),
)
train_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root="data/cpu"))
val_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(data_root="data/cpu"))

train_cfg = dict(max_iters=160, val_interval=80)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=2e-4, weight_decay=0.05),
    clip_grad=dict(_delete_=True, max_norm=10),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=20, end=160, T_max=140, eta_min=5e-6),
]
default_hooks = dict(checkpoint=dict(interval=50), logger=dict(interval=10))
custom_hooks = [
    dict(type="MultiViewMeanTeacherHook", momentum=0.01, swapped=False),
]
burn_in = {
    "train_cfg.max_iters": 1000,
    "train_cfg.val_interval": 1000,
    "train_dataloader.batch_size": 1,
    "train_dataloader.sampler.batch_size": 1,
    "train_dataloader.sampler.source_ratio": [1, 0],
    "optim_wrapper.optimizer.lr": 1e-3,
    "param_scheduler.0.end": 50,
    "param_scheduler.1.begin": 50,
    "param_scheduler.1.end": 1000,
    "param_scheduler.1.T_max": 950,
}

del image_size
