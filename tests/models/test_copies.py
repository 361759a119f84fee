"""Copies of samples share tensors, and nothing else that is replaced."""

import copy

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from models.copies import Shared


def test_fields_of_a_copy_are_its_own_and_its_tensors_are_those_of_the_original() -> None:
    sample = DetDataSample(metainfo={"img_id": 3})
    sample.gt_instances = InstanceData(bboxes=torch.ones(2, 4), labels=torch.tensor([1, 2]))
    (copied,) = copy.deepcopy(Shared([sample]))
    assert type(copied) is DetDataSample
    assert copied.img_id == 3
    assert copied.gt_instances.bboxes is sample.gt_instances.bboxes

    copied.gt_instances.labels = torch.zeros_like(copied.gt_instances.labels)
    copied.gt_instances.priors = copied.gt_instances.pop("bboxes")
    copied.set_metainfo({"img_id": 4})
    assert sample.gt_instances.labels.tolist() == [1, 2]
    assert set(sample.gt_instances.keys()) == {"bboxes", "labels"}
    assert sample.img_id == 3

    copied.gt_instances = copied.gt_instances[:1]
    assert len(sample.gt_instances) == 2


def test_proposals_are_copied_alike() -> None:
    proposals = InstanceData(bboxes=torch.ones(2, 4))
    (copied,) = copy.deepcopy(Shared([proposals]))
    copied.priors = copied.pop("bboxes")
    assert copied.priors is proposals.bboxes
