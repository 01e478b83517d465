"""Losses of examples with partly missing labels: means over the labelled examples.

A batch in which some labels are missing gives the same loss and gradient as the batch without those
examples; without any label the loss is 0. Everything is computed in float32, whatever the outputs are.
`for_task` finds the loss that a task's settings name.
"""

from kfer.losses.adaptive_scale import AdaCos as AdaCos
from kfer.losses.adaptive_scale import adacos as adacos
from kfer.losses.adaptive_scale import initial_scale as initial_scale
from kfer.losses.adaptive_scale import next_scale as next_scale
from kfer.losses.class_weights import balanced as balanced
from kfer.losses.class_weights import effective_number as effective_number
from kfer.losses.classification import cross_entropy as cross_entropy
from kfer.losses.classification import focal as focal
from kfer.losses.classification import soft_cross_entropy as soft_cross_entropy
from kfer.losses.distillation import binary_distillation as binary_distillation
from kfer.losses.distillation import embedding_distillation as embedding_distillation
from kfer.losses.distillation import regression_distillation as regression_distillation
from kfer.losses.distillation import softmax_distillation as softmax_distillation
from kfer.losses.margins import arcface as arcface
from kfer.losses.margins import center as center
from kfer.losses.margins import cosface as cosface
from kfer.losses.margins import subcenter_arcface as subcenter_arcface
from kfer.losses.metric_learning import supervised_contrastive as supervised_contrastive
from kfer.losses.metric_learning import triplet_hard as triplet_hard
from kfer.losses.metric_learning import triplet_semihard as triplet_semihard
from kfer.losses.multi_label import binary_cross_entropy as binary_cross_entropy
from kfer.losses.multi_label import binary_focal as binary_focal
from kfer.losses.regression import concordance as concordance
from kfer.losses.regression import huber as huber
from kfer.losses.regression import mean_absolute_error as mean_absolute_error
from kfer.losses.regression import mean_squared_error as mean_squared_error
from kfer.losses.tasks import TaskLoss as TaskLoss
from kfer.losses.tasks import distillation_for_task as distillation_for_task
from kfer.losses.tasks import for_task as for_task
