"""The multi-view Soft Teacher baseline of the plan: every improvement off.

Source: the improvement plan's table and public notes; figures marked "ours" are not given there. Scales derive from this
file: they change sizes, and the small ones, which learn from scratch in minutes, also optimiser, EMA and box sampling; never a
factor's value. Dotted paths into this file are what factors and `--set` address, for example
`model.detector.rpn_head.anchor_generator.ratios`.
"""

custom_imports = dict(
    imports=["models", "experiments.data.dataset", "experiments.data.metric", "experiments.data.sampler",
             "experiments.data.transforms", "experiments.hooks.mean_teacher"],
    allow_failed_imports=False,
)  # fmt: skip
default_scope = "mmdet"

classes = ("Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear")
palette = [(134, 34, 255), (0, 255, 206), (255, 128, 0), (254, 0, 86), (199, 252, 0)]
views = 8
image_size = (720, 256)  # height, width, px

# ---------------------------------------------------------------------------------------------------------------- model
detector = dict(
    type="FasterRCNN",
    backbone=dict(
        type="MultiViewBackbone",
        backbone=dict(
            type="ResNet",
            depth=50,
            num_stages=4,
            out_indices=(0, 1, 2, 3),
            frozen_stages=1,
            norm_cfg=dict(type="BN", requires_grad=False),
            norm_eval=True,
            style="caffe",
            init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://detectron2/resnet50_caffe"),
        ),
        mvvit=dict(
            type="MVViT",
            in_channels=[256, 512, 1024, 2048],
            strides=[4, 8, 16, 32],
            image_size=image_size,
            num_views=views,
            embed_dims=256,
            spatial="pooled",  # or "banded": all cells, in bands of band_rows rows; num_tokens then does nothing
            band_rows=4,
            num_tokens=1024,
            reference_tokens=11520,  # the plan quotes K at a P2 of 180 x 64 cells
            num_heads=4,
            num_layers=1,
            mlp_ratio=2.0,
            pooling_start="places",
            trained=True,
            with_checkpoint=False,
        ),
    ),
    neck=dict(type="FPN", in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5),
    rpn_head=dict(
        type="RPNHead",
        in_channels=256,
        feat_channels=256,
        anchor_generator=dict(
            type="AnchorGenerator",
            scales=[8],
            # mmdet's ratios are height / width. The plan's figures are given as they stand there.
            ratios=[0.2, 0.35, 0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64],
        ),
        bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_means=[0.0] * 4, target_stds=[1.0] * 4),
        loss_cls=dict(type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.75, loss_weight=3.0),
        loss_bbox=dict(type="L1Loss", loss_weight=1.0),
    ),
    roi_head=dict(
        type="StandardRoIHead",
        bbox_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0),
            out_channels=256,
            featmap_strides=[4, 8, 16, 32],
        ),
        bbox_head=dict(
            type="Shared2FCBBoxHead",
            in_channels=256,
            fc_out_channels=1024,
            roi_feat_size=7,
            num_classes=len(classes),
            bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_means=[0.0] * 4, target_stds=[0.1, 0.1, 0.2, 0.2]),
            reg_class_agnostic=False,
            loss_cls=dict(type="SigmoidFocalLoss", gamma=2.5, alpha=0.75, loss_weight=2.0),
            loss_bbox=dict(type="L1Loss", loss_weight=1.0),
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.3, min_pos_iou=0.3, match_low_quality=True,
                ignore_iof_thr=-1,
            ),
            sampler=dict(type="RandomSampler", num=256, pos_fraction=0.75, neg_pos_ub=1, add_gt_as_proposals=False),
            allowed_border=-1,
            pos_weight=-1,
            debug=False,
        ),
        rpn_proposal=dict(nms_pre=2000, max_per_img=1000, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(
            assigner=dict(
                type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5, match_low_quality=False,
                ignore_iof_thr=-1,
            ),
            sampler=dict(type="RandomSampler", num=256, pos_fraction=0.75, neg_pos_ub=1, add_gt_as_proposals=True),
            pos_weight=-1,
            debug=False,
        ),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=1000, max_per_img=1000, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(score_thr=0.05, nms=dict(type="nms", iou_threshold=0.5), max_per_img=100),
    ),
)  # fmt: skip

model = dict(
    type="MultiViewSoftTeacher",
    precision="bfloat16",  # of features while training; or "float32"
    detector=detector,
    data_preprocessor=dict(
        type="MultiBranchDataPreprocessor",
        data_preprocessor=dict(
            type="DetDataPreprocessor",
            mean=[103.53, 116.28, 123.675],  # BGR, caffe-style ResNet
            std=[1.0, 1.0, 1.0],
            bgr_to_rgb=False,
            pad_size_divisor=1,  # P2 is 180x64 and P5 23x8, as in the plan: no padding
        ),
    ),
    semi_train_cfg=dict(
        freeze_teacher=True,
        sup_weight=1.0,
        unsup_weight=1.0,
        pseudo_label_initial_score_thr=0.5,
        cls_pseudo_thr=0.4,
        rpn_pseudo_thr=0.4,
        reg_pseudo_thr=0.05,
        jitter_times=5,
        jitter_scale=0.03,
        min_pseudo_bbox_wh=(8, 8),
    ),
    semi_test_cfg=dict(),  # validation predicts with teacher and student in turn
)

# ----------------------------------------------------------------------------------------------------------------- data
load = dict(
    type="EachView",
    transforms=[dict(type="LoadImageFromFile"), dict(type="LoadAnnotations", with_bbox=True)],
)
color = dict(
    type="ColorAugmentation",
    autocontrast=dict(prob=0.5),
    equalize=dict(prob=0.4),
    brightness=dict(prob=0.8, magnitude=(0.8, 1.25)),
    contrast=dict(prob=0.8, magnitude=(0.8, 1.3)),
    sharpness=dict(prob=0.3, magnitude=(0.8, 1.5)),
    posterize=dict(
        prob=0.0, magnitude=(4.0, 8.0)
    ),  # bits kept: ours; mmdet's default range starts at 0 bits, a black image
)
flip = dict(type="FlipGroup", prob=0.5)
pack = dict(type="PackGroup")
branches = ["sup", "unsup_teacher", "unsup_student"]

part = dict(
    type="MultiViewDataset",
    num_views=views,
    mix_views=False,  # True: the control in which the views of different bits share a group
    data_prefix=dict(img="images/"),
    metainfo=dict(classes=classes, palette=palette),
)
train_dataloader = dict(
    batch_size=2,  # groups: one labelled, one unlabelled
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="MixedGroupSampler", batch_size=2, source_ratio=[1, 1]),
    collate_fn=dict(type="multi_view_collate"),
    dataset=dict(
        type="SemiSupervisedDataset",
        data_root="data/paper",
        split=0,
        labelled=dict(
            **part,
            ann_file="annotations/train_labeled.json",
            pipeline=[load, flip, dict(type="MultiBranch", branch_field=branches, sup=[color, pack])],
        ),
        unlabelled=dict(
            **part,
            ann_file="annotations/train_unlabeled.json",
            pipeline=[
                load,
                dict(
                    type="MultiBranch",
                    branch_field=branches,
                    unsup_teacher=[flip, pack],
                    unsup_student=[flip, color, pack],
                ),
            ],
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="multi_view_collate"),
    dataset=dict(
        **part, data_root="data/paper", ann_file="annotations/val.json", test_mode=True, pipeline=[load, pack]
    ),
)
val_evaluator = dict(type="GroupCocoMetric", num_views=views)

# ------------------------------------------------------------------------------------------------------------- schedule
train_cfg = dict(type="IterBasedTrainLoop", max_iters=35700, val_interval=2500)
val_cfg = dict(type="TeacherStudentValLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=5e-4, momentum=0.9, weight_decay=1e-4),
    clip_grad=None,
)
param_scheduler = [dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500)]
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=500, max_keep_ckpts=2, save_last=True),
    sampler_seed=dict(type="DistSamplerSeedHook"),
)
custom_hooks = [
    dict(type="MultiViewMeanTeacherHook", momentum=0.001, swapped=False),  # teacher = 0.999 teacher + 0.001 student
]
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
)
log_processor = dict(type="LogProcessor", window_size=20, by_epoch=False)
visualizer = dict(type="Visualizer", vis_backends=[])  # scalars go to the trackers, see experiments/tracking
log_level = "INFO"
load_from = None
resume = False

# A supervised warm-up of the baseline that arms continue from, as settings on top of this file: dotted paths -> values.
# Empty: arms start from `load_from` or from scratch. Supervised means that a batch holds labelled groups alone.
burn_in = dict()
# Given to a run, --set from_start=true, its changes act in its burn-in too, but for those of pseudo-labels, and what burn_in sets.
from_start = False

# Names used only to write this file: left standing, they would be settings that change nothing.
del classes, palette, views, image_size, detector, load, color, flip, pack, branches, part
