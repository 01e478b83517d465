"""How the losses of several tasks become one step."""

from kfer.settings import TrainingSettings
from kfer.settings.tasks import REGRESSION, Tasks
from kfer.training.weighting.dynamic_average import DynamicAverage as DynamicAverage
from kfer.training.weighting.gradnorm import GradNorm as GradNorm
from kfer.training.weighting.pcgrad import PCGrad as PCGrad
from kfer.training.weighting.uncertainty import Uncertainty as Uncertainty
from kfer.training.weighting.uw_so import SoftOptimalUncertainty as SoftOptimalUncertainty
from kfer.training.weighting.weighting import Losses as Losses
from kfer.training.weighting.weighting import Weighting as Weighting


def for_settings(settings: TrainingSettings, tasks: Tasks) -> Weighting:
    """Returns the weighting that the settings name.

    Args:
        settings: `weighting`, `weighting_arguments`, and the seed.
        tasks: Those that the network has an output for.

    Raises:
        ValueError: A method that weighs tasks against each other is given one task alone.
    """
    method, arguments = settings.weighting, settings.weighting_arguments
    weights = {name: task.weight for name, task in tasks.items()}
    if method == "fixed":
        return Weighting(weights)
    if len(weights) < 2:
        raise ValueError(
            f"weighting {method!r} needs at least two tasks; got {', '.join(weights) or 'none'}. Give "
            'another task a weight, or set training.weighting to "fixed"'
        )
    if method == "uncertainty":
        return Uncertainty(weights, [name for name, task in tasks.items() if task.kind == REGRESSION])
    if method == "pcgrad":
        return PCGrad(weights, settings.seed)
    methods = {
        "dynamic_average": DynamicAverage,
        "gradnorm": GradNorm,
        "uw_so": SoftOptimalUncertainty,
    }
    return methods[method](weights, **arguments)
