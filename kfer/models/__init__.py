"""The networks that kfer trains."""

from kfer.models.calibration import calibrate as calibrate
from kfer.models.heads import CosineLogits as CosineLogits
from kfer.models.heads import L2Normalization as L2Normalization
from kfer.models.multitask import backbone as backbone
from kfer.models.multitask import branches as branches
from kfer.models.multitask import build as build
from kfer.models.multitask import load as load
from kfer.models.multitask import num_identities as num_identities
from kfer.models.multitask import pretrained_layers as pretrained_layers
from kfer.models.multitask import split as split
from kfer.models.multitask import stages as stages
from kfer.models.teachers import teachers as teachers
