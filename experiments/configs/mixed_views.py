"""The shuffled-views control of `cpu`: the same model, data and training, but the views of a group are of different bits.

What it scores less than `cpu` is what the neighbouring views of a bit are worth.

Command: python -m experiments train mixed_views --data data/cpu
"""

_base_ = ["cpu.py"]

train_dataloader = dict(dataset=dict(labelled=dict(mix_views=True), unlabelled=dict(mix_views=True)))
val_dataloader = dict(dataset=dict(mix_views=True))
