"""The shuffled-views control of `views`: the same model, data and training, but the views of a group are of different bits.

Command: python -m experiments train mixed_views --data data/views, after python -m experiments data make --preset views
Cost: as `views`.
"""

_base_ = ["views.py"]

train_dataloader = dict(dataset=dict(labelled=dict(mix_views=True), unlabelled=dict(mix_views=True)))
val_dataloader = dict(dataset=dict(mix_views=True))
