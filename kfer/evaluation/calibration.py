"""How far confidence is from accuracy, and the temperature that brings it closer."""

from typing import Any

from scipy import special

from kfer import metrics
from kfer.evaluation.answers import Answers
from kfer.evaluation.reports import number_or_none


def calibration_report(validation: Answers, test: Answers) -> dict[str, Any] | None:
    """Returns a temperature fitted on validation examples, and what it does on test examples.

    Exports may divide the logits by it: no answer changes, only how sure the network says it is.

    Args:
        validation: Answers on examples that the network neither learns from nor is judged by.
        test: Answers on those that it is judged by.

    Returns:
        `temperature`, or None where validation does not determine one (every answer is right, for one);
        `num_validation_examples`; `ece_before` and `ece_after`, the expected calibration error of test
        with the temperature 1 and with this one; `nll_before` and `nll_after`, its mean negative
        log-likelihood in nats. Without a temperature both `after` are None. None for a regression.
    """
    fitted_on, judged_on = validation.as_classes(), test.as_classes()
    if fitted_on is None or judged_on is None:
        return None
    temperature = metrics.fit_temperature(*fitted_on)
    report: dict[str, Any] = {
        "temperature": temperature,
        "num_validation_examples": validation.sizes()["num_examples"],
    }
    labels, logits = judged_on
    for when, divisor in (("before", 1.0), ("after", temperature)):
        error = likelihood = None
        if divisor is not None:
            probabilities = special.softmax(logits.astype("float64") / divisor, axis=1)
            error = metrics.expected_calibration_error(labels, probabilities)
            likelihood = number_or_none(metrics.negative_log_likelihood(labels, logits, divisor))
        report |= {f"ece_{when}": error, f"nll_{when}": likelihood}
    return report
