"""The multi-view Soft Teacher: teacher's start and mode, views matched, thresholds alive."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmengine.structures import InstanceData

from models.soft_teacher import MultiViewSoftTeacher, SoftTeacher, view_order

Build = Callable[..., Any]


def test_teacher_equals_student_after_initialisation_buffers_included(build_model: Build) -> None:
    model = build_model()
    with torch.no_grad():
        for value in model.teacher.parameters():
            value.add_(1.0)
    model.init_weights()
    student = model.student.state_dict()
    assert all(torch.equal(value, student[name]) for name, value in model.teacher.state_dict().items())


def test_the_teacher_stays_in_evaluation_mode(build_model: Build) -> None:
    model = build_model().train()
    assert model.student.training
    assert not any(module.training for module in model.teacher.modules())


def test_a_step_leaves_the_teachers_statistics_alone(build_model: Build, tiny_batch: Build) -> None:
    model = build_model().train()
    before = {name: value.clone() for name, value in model.teacher.named_buffers()}
    model.loss(*tiny_batch(model))
    assert all(torch.equal(value, before[name]) for name, value in model.teacher.named_buffers())


def test_every_mvvit_parameter_is_trained(build_model: Build, tiny_batch: Build) -> None:
    from mmengine.optim import build_optim_wrapper

    from experiments.config import load_config

    model = build_model().train()
    wrapper = build_optim_wrapper(model, load_config("tiny").optim_wrapper)
    optimised = {id(p) for group in wrapper.optimizer.param_groups for p in group["params"]}
    losses = model.loss(*tiny_batch(model, unlabelled=False))
    model.parse_losses(losses)[0].backward()
    fusion = dict(model.student.backbone.mvvit.named_parameters())
    assert fusion
    for name, parameter in fusion.items():
        assert id(parameter) in optimised, name
        assert parameter.grad is not None, name
        if not name.endswith("key.bias"):  # a softmax is blind to what all its logits share
            assert parameter.grad.abs().sum() > 0, name
    assert all(p.grad is None for p in model.teacher.parameters())


def test_a_batch_without_unlabelled_groups_is_a_supervised_step(build_model: Build, tiny_batch: Build) -> None:
    model = build_model().train()
    losses = model.loss(*tiny_batch(model, unlabelled=False))
    assert {name.split("_")[0] for name in losses} == {"sup"}


def test_view_order() -> None:
    assert view_order([10, 11, 12, 13], [10, 13, 12, 11]) == [0, 3, 2, 1]
    assert view_order([1, 2, 1, 2], [2, 1, 2, 1]) == [1, 0, 3, 2]  # a group twice in a batch
    with pytest.raises(ValueError, match="different images"):
        view_order([1, 2], [1, 3])


def losses_of(build: Build, batch: Build, teach: Build, scores: list[float], **thresholds: float) -> dict[str, Any]:
    model = build(delta={f"model.semi_train_cfg.{name}": value for name, value in thresholds.items()}).train()
    teach(model, scores)
    inputs = batch(model)
    torch.manual_seed(1)
    losses: dict[str, Any] = model.loss(*inputs)
    return losses


def test_the_initial_threshold_keeps_what_is_above_it(build_model: Build, tiny_batch: Build, teach: Build) -> None:
    kept = [
        float(
            losses_of(build_model, tiny_batch, teach, [0.9, 0.45, 0.3], pseudo_label_initial_score_thr=thr)[
                "pseudo_boxes_per_view"
            ]
        )
        for thr in (0.5, 0.4, 0.2)
    ]
    assert kept == [1.0, 2.0, 3.0]


def test_pseudo_boxes_are_counted_per_class(build_model: Build, tiny_batch: Build, teach: Build) -> None:
    """Six boxes in each of 8 views, of classes 0, 1, 2, 3, 4 and 0; the fourth falls below the threshold."""
    losses = losses_of(build_model, tiny_batch, teach, [0.9, 0.8, 0.7, 0.3, 0.6, 0.9])
    per_class = [float(losses[f"pseudo_boxes_per_view_{label}"]) for label in range(5)]
    assert losses["pseudo_boxes_per_view"] == sum(per_class)
    assert per_class == [2.0, 1.0, 1.0, 0.0, 1.0]


def test_boxes_are_counted_before_and_after_each_threshold(build_model: Build, tiny_batch: Build, teach: Build) -> None:
    """Four boxes in each of 8 views, of classes 0 to 3; with uncertainties of .1, .2, .3 and .4 the first falls below .15."""
    model = build_model(delta={
        "model.semi_train_cfg.pseudo_label_initial_score_thr": 0.4, "model.semi_train_cfg.cls_pseudo_thr": 0.55,
        "model.semi_train_cfg.rpn_pseudo_thr": 0.85, "model.semi_train_cfg.reg_pseudo_thr": 0.15,
    }).train()  # fmt: skip
    teach(model, [0.9, 0.6, 0.5, 0.3])
    model.compute_uncertainty_with_aug = lambda x, samples: [
        torch.tensor([0.1, 0.2, 0.3, 0.4])[: len(s.gt_instances)] for s in samples
    ]
    logged = {name: float(value) for name, value in model.loss(*tiny_batch(model)).items() if "per_view" in name}
    assert logged == pytest.approx({
        "teacher_boxes_per_view": 4.0, "pseudo_boxes_per_view": 3.0, "pseudo_boxes_for_cls_per_view": 2.0,
        "pseudo_boxes_for_rpn_per_view": 1.0, "pseudo_boxes_for_reg_per_view": 1.0,
        "pseudo_score_per_view": 2.0, "pseudo_uncertainty_per_view": 0.6,
        **{f"teacher_boxes_per_view_{label}": float(label < 4) for label in range(5)},
        **{f"pseudo_boxes_per_view_{label}": float(label < 3) for label in range(5)},
    })  # fmt: skip


def test_views_without_pseudo_boxes_are_counted_beside_others(build_model: Build, tiny_batch: Build) -> None:
    """The teacher finds a box in every other view alone."""
    model = build_model().train()
    turn = iter(range(100))

    def every_other(x: Any, proposals: Any, samples: Any, rescale: bool = False) -> Any:
        return [
            InstanceData(
                bboxes=torch.tensor([[4.0, 10.0, 24.0, 50.0]]).repeat(found, 1), scores=torch.full((found,), 0.9),
                labels=torch.zeros(found).long(),
            )
            for found in (next(turn) % 2 for _ in samples)
        ]  # fmt: skip

    model.teacher.roi_head.predict = every_other
    losses = model.loss(*tiny_batch(model))
    assert float(losses["teacher_boxes_per_view"]) == float(losses["pseudo_boxes_per_view"]) == 0.5
    assert float(losses["pseudo_uncertainty_per_view"]) > 0


@pytest.mark.parametrize(
    ("threshold", "changes", "stays"),
    [
        ("cls_pseudo_thr", "unsup_loss_cls", "unsup_loss_rpn_cls"),
        ("rpn_pseudo_thr", "unsup_loss_rpn_cls", "sup_loss_cls"),
    ],
)
def test_each_branch_threshold_changes_its_own_loss(
    threshold: str, changes: str, stays: str, build_model: Build, tiny_batch: Build, teach: Build
) -> None:
    low, high = (losses_of(build_model, tiny_batch, teach, [0.9, 0.6], **{threshold: thr}) for thr in (0.4, 0.7))

    def total(losses: dict[str, Any], name: str) -> float:
        value = losses[name]
        return float(sum(value).detach()) if isinstance(value, list) else float(value.detach())

    assert total(low, changes) != total(high, changes)
    assert total(low, stays) == total(high, stays)


def test_branch_thresholds_below_the_initial_one_do_nothing(
    build_model: Build, tiny_batch: Build, teach: Build
) -> None:
    """A finding about the plan: with 0.5 first, its 0.4 and 0.35 for the branches keep the same boxes."""
    runs = [
        losses_of(build_model, tiny_batch, teach, [0.9, 0.6, 0.45, 0.37], cls_pseudo_thr=thr, rpn_pseudo_thr=thr)
        for thr in (0.4, 0.35)
    ]
    assert torch.equal(runs[0]["unsup_loss_cls"], runs[1]["unsup_loss_cls"])
    assert runs[0]["pseudo_boxes_per_view"] == runs[1]["pseudo_boxes_per_view"]


def test_what_the_teacher_saw_is_put_in_the_students_order(build_model: Build) -> None:
    """The student's group is mirrored: boxes, features and geometry of each view must follow it to its new place."""
    from experiments.data.transforms import FlipGroup, PackGroup

    model = build_model().train()
    views = [
        {"img": torch.zeros(96, 48, 3).numpy(), "img_id": 10 + v, "img_shape": (96, 48), "homography_matrix": torch.eye(3).numpy()}
        for v in range(8)
    ]  # fmt: skip
    teacher = PackGroup()({"views": views})["data_samples"]
    student = PackGroup()(FlipGroup(prob=1.0)({"views": views}))["data_samples"]
    for number, sample in enumerate(teacher):  # a box whose place tells which view it belongs to
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([[4.0, 10.0 + number, 14.0, 40.0 + number]]),
            scores=torch.ones(1),
            labels=torch.zeros(1).long(),
            reg_uncs=torch.zeros(1),
        )
    info = {
        "teacher_labels": torch.zeros(16).long(),
        "feat": [torch.arange(8.0)[:, None], 10 * torch.arange(8.0)[:, None]],
        "img_shape": [(96, 48)] * 8,
        "homography_matrix": [number * torch.eye(3) for number in range(8)],
        "metainfo": [sample.metainfo for sample in teacher],
    }
    seen: dict[str, Any] = {}

    def catch(images: Any, samples: Any, batch_info: Any) -> dict[str, Any]:
        seen.update(samples=samples, info=batch_info)
        return {}

    model.loss_by_gt_instances = lambda images, samples: {}
    model.get_pseudo_instances = lambda images, samples: (teacher, info)
    model.loss_by_pseudo_instances = catch
    losses = model.loss(
        {"sup": None, "unsup_teacher": None, "unsup_student": None},
        {"sup": [], "unsup_teacher": teacher, "unsup_student": student},
    )
    order = [0, 7, 6, 5, 4, 3, 2, 1]
    assert [sample.img_id - 10 for sample in seen["samples"]] == order
    # x mirrored in 48 px: 48 - 14 and 48 - 4; y tells the view.
    assert [s.gt_instances.bboxes[0].tolist() for s in seen["samples"]] == [
        [34.0, 10.0 + v, 44.0, 40.0 + v] for v in order
    ]
    assert seen["info"]["feat"][1].flatten().tolist() == [10.0 * v for v in order]
    assert [float(matrix[0, 0]) for matrix in seen["info"]["homography_matrix"]] == order
    assert [meta["img_id"] - 10 for meta in seen["info"]["metainfo"]] == order
    assert float(losses["pseudo_boxes_per_view"]) == float(losses["pseudo_boxes_per_view_0"]) == 1.0


def find_boxes(model: Any, found: tuple[int, ...]) -> None:
    """Let the teacher find so many boxes in the views in turn, at places of their own, of scores from 0.4 to 0.9."""
    head, draw = model.teacher.roi_head, torch.Generator().manual_seed(2)
    torch.nn.init.normal_(head.bbox_head.fc_reg.weight, std=0.3, generator=draw)  # as if it had learnt to move boxes
    predict = head.predict

    def find(x: Any, proposals: Any, samples: Any, rescale: bool = False) -> Any:
        if head.test_cfg is None:  # the library has it predict from jittered boxes by the same function
            return predict(x, proposals, samples, rescale=rescale)
        results = []
        for view in range(len(samples)):
            number = found[view % len(found)]
            corners = torch.rand(number, 2, generator=draw) * torch.tensor([40.0, 90.0])
            sides = 1 + 20 * torch.rand(number, 2, generator=draw)
            results.append(
                InstanceData(
                    bboxes=torch.cat([corners, corners + sides], dim=1), scores=torch.linspace(0.4, 0.9, number),
                    labels=torch.arange(number) % 5,
                )
            )  # fmt: skip
        return results

    head.predict = find


def reshape(samples: Any, homography: torch.Tensor, stored: tuple[int, int]) -> None:
    """As if the views had been stored in another size, in another place."""
    for sample in samples:
        sample.set_metainfo({"homography_matrix": homography.numpy(), "ori_shape": stored})


def use_the_librarys(patch: pytest.MonkeyPatch) -> None:
    """Put mmdet's functions in place of ours."""

    def get_pseudo_instances(self: Any, inputs: Any, samples: Any) -> Any:
        samples, info = SoftTeacher.get_pseudo_instances(self, inputs, samples)
        for sample in samples:
            boxes = sample.gt_instances
            boxes.reg_uncs = boxes.reg_uncs[:, 0] if boxes.reg_uncs.dim() > 1 else boxes.reg_uncs  # (0, 4) of no boxes
        return samples, {**info, "teacher_labels": torch.zeros(1)}

    patch.setattr(MultiViewSoftTeacher, "get_pseudo_instances", get_pseudo_instances)
    for name in (
        "compute_uncertainty_with_aug", "project_pseudo_instances", "rpn_loss_by_pseudo_instances",
        "rcnn_cls_loss_by_pseudo_instances", "rcnn_reg_loss_by_pseudo_instances",
    ):  # fmt: skip
        patch.setattr(MultiViewSoftTeacher, name, getattr(SoftTeacher, name))


@pytest.mark.filterwarnings("ignore:std")  # the library takes the spread of no boxes
@pytest.mark.parametrize("found", [(9, 0, 14, 3), (0,)], ids=str)
@pytest.mark.parametrize("agnostic", [False, True], ids=["a box for each class", "one box"])
def test_pseudo_boxes_and_what_is_made_of_them_are_the_librarys(
    found: tuple[int, ...], agnostic: bool, build_model: Build, tiny_batch: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes, losses, gradients = [], [], []
    for library in (True, False):
        model = build_model(delta={
            "model.detector.roi_head.bbox_head.reg_class_agnostic": agnostic, "model.semi_train_cfg.reg_pseudo_thr": 0.003,
            "model.semi_train_cfg.cls_pseudo_thr": 0.7, "model.semi_train_cfg.rpn_pseudo_thr": 0.6,
            "model.semi_train_cfg.min_pseudo_bbox_wh": (6, 3),
        }).train()  # fmt: skip
        find_boxes(model, found)
        inputs, samples = tiny_batch(model)
        reshape(samples["unsup_teacher"], torch.tensor([[0.8, 0.0, 3.0], [0.0, 1.2, -4.0], [0.0, 0.0, 1.0]]), (90, 55))
        reshape(samples["unsup_student"], torch.tensor([[-0.9, 0.0, 46.0], [0.0, 0.7, 2.0], [0.0, 0.0, 1.0]]), (85, 60))
        with monkeypatch.context() as patch:
            if library:
                use_the_librarys(patch)
            torch.manual_seed(1)
            computed = model.loss(inputs, samples)
        losses.append({name: loss for name, loss in computed.items() if "teacher" not in name})
        boxes.append([sample.gt_instances for sample in samples["unsup_student"]])
        model.parse_losses(losses[-1])[0].backward()
        gradients.append(model.student.roi_head.bbox_head.shared_fcs[0].weight.grad)
    assert [len(one) for one in boxes[0]] == [len(one) for one in boxes[1]]
    assert any(len(one) for one in boxes[0]) == (max(found) > 0)
    for theirs, ours in zip(*boxes, strict=True):
        for field in ("bboxes", "scores", "labels", "reg_uncs"):
            torch.testing.assert_close(theirs[field], ours[field], rtol=1e-5, atol=1e-5)
    assert losses[0].keys() == losses[1].keys()
    for name in losses[0]:
        torch.testing.assert_close(losses[0][name], losses[1][name], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scores", [[0.9, 0.6], [0.1]])  # the latter is below the threshold
def test_the_classification_loss_of_pseudo_labels_is_the_librarys(
    scores: list[float], build_model: Build, tiny_batch: Build, teach: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, gradients = [], []
    for library in (True, False):
        model = build_model().train()
        teach(model, scores)
        batch = tiny_batch(model)
        with monkeypatch.context() as patch:
            if library:
                own = SoftTeacher.rcnn_cls_loss_by_pseudo_instances
                patch.setattr(MultiViewSoftTeacher, "rcnn_cls_loss_by_pseudo_instances", own)
            torch.manual_seed(1)
            losses.append(model.loss(*batch)["unsup_loss_cls"])
        losses[-1].backward()
        gradients.append(model.student.roi_head.bbox_head.shared_fcs[0].weight.grad)
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-6, atol=0)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-7)


def test_a_step_gives_its_figures_as_plain_numbers(build_model: Build, tiny_batch: Build) -> None:
    """One transfer brings them from the GPU; as tensors, whoever logs them would wait for each."""
    from mmengine.optim import build_optim_wrapper

    model = build_model().train()
    inputs, samples = tiny_batch(model)
    wrapper = build_optim_wrapper(model, {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.0}})
    torch.manual_seed(1)
    total, logged = model.parse_losses(model.loss(inputs, samples))
    model.data_preprocessor.forward = lambda data, training: data
    inputs, samples = tiny_batch(build_model())
    torch.manual_seed(1)
    figures = model.train_step({"inputs": inputs, "data_samples": samples}, wrapper)
    assert list(figures) == list(logged)
    assert {type(value) for value in figures.values()} == {float}
    assert figures["sup_loss_rpn_cls"] == logged["sup_loss_rpn_cls"].item()
    assert figures["loss"] == pytest.approx(total.item(), rel=1e-5)
