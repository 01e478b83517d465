"""The networks that kfer trains."""

from kfer.models.heads import CosineLogits as CosineLogits
from kfer.models.heads import L2Normalization as L2Normalization
from kfer.models.multitask import backbone as backbone
from kfer.models.multitask import build as build
from kfer.models.multitask import load as load
from kfer.models.multitask import split as split
