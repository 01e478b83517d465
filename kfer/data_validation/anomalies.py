"""What is wrong or odd about the examples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from kfer import spec
from kfer.data_validation import names
from kfer.settings import TaskSettings
from kfer.settings.tasks import CLASSES, EMBEDDING, MULTI_LABEL, REGRESSION, Tasks, is_of_frames, learned

ERROR, WARNING = anomalies_pb2.AnomalyInfo.ERROR, anomalies_pb2.AnomalyInfo.WARNING
_TYPES = anomalies_pb2.AnomalyInfo
_DATASET = "dataset"
#: What is wrong with numbers below and above their domain, by its kind.
_OUTSIDE = {
    "int_domain": (_TYPES.INT_TYPE_SMALL_INT, _TYPES.INT_TYPE_BIG_INT),
    "float_domain": (_TYPES.FLOAT_TYPE_SMALL_FLOAT, _TYPES.FLOAT_TYPE_BIG_FLOAT),
}
#: What the names of a label are called, where they are no classes.
_NOUNS = {MULTI_LABEL: "labels", REGRESSION: "numbers"}

#: Training examples below which a class, or another name of a label, is called rare.
FEW_EXAMPLES = 10
#: Times that the largest class may outnumber the smallest.
LARGEST_IMBALANCE = 10


@dataclass(frozen=True)
class _Anomaly:
    feature: str
    type: int
    severity: int
    short: str
    description: str


def validate(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
    max_bad_image_share: float,
    tasks: Tasks,
) -> anomalies_pb2.Anomalies:
    """Returns what is wrong (errors) or odd (warnings) about the examples.

    Errors are: more images than allowed that do not decode; labels outside the schema's domain; no
    training example; a task without a training label; fewer than two people to train on.

    Each anomaly has an entry of its own, whose path names the feature; that of empty splits is
    `dataset_anomaly_info`.

    Args:
        statistics: From `compute_statistics`.
        schema: From `infer_schema`, maybe edited.
        max_bad_image_share: Share of a split, in [0, 1], above which undecodable images are an error.
        tasks: What is learned; those whose loss has no weight need no labels.

    Raises:
        ValueError: There are no statistics of a training split, or of the labels of a task.
    """
    training = names.split(statistics, spec.TRAIN)
    anomalies = anomalies_pb2.Anomalies(baseline=schema)
    empty = [dataset.name for dataset in statistics.datasets if not dataset.num_examples]
    if empty:
        anomalies.dataset_anomaly_info.CopyFrom(_info(_of_empty_splits(empty)))
    for dataset in statistics.datasets:
        if not dataset.num_examples:
            continue
        found = [*_of_images(dataset, max_bad_image_share), *_of_domains(dataset, schema)]
        for name, task in learned(tasks).items():
            if is_of_frames(name, task):
                continue  # statistics are of the whole of a clip
            found += _of_task(name, task, dataset, training)
        for anomaly in found:
            key = f"{anomaly.feature}: {anomaly.short}"
            anomalies.anomaly_info[key].CopyFrom(_info(anomaly))
    return anomalies


def has_errors(anomalies: anomalies_pb2.Anomalies) -> bool:
    """Whether any anomaly is an error."""
    return any(row["severity"] == "ERROR" for row in anomaly_rows(anomalies))


def anomaly_rows(anomalies: anomalies_pb2.Anomalies) -> list[dict[str, str]]:
    """Returns one dict an anomaly, errors first: `feature`, `severity` ("ERROR" or "WARNING"), `short`
    and `description`; the feature of one that concerns whole splits is "dataset".
    """
    infos = list(anomalies.anomaly_info.values())
    if anomalies.HasField("dataset_anomaly_info"):
        infos.append(anomalies.dataset_anomaly_info)
    rows = [
        {
            "feature": "/".join(info.path.step) or _DATASET,
            "severity": _TYPES.Severity.Name(info.severity),
            "short": info.short_description,
            "description": info.description,
        }
        for info in infos
    ]
    return sorted(rows, key=lambda row: (row["severity"], row["feature"], row["short"]))


def _info(anomaly: _Anomaly) -> anomalies_pb2.AnomalyInfo:
    info = anomalies_pb2.AnomalyInfo(
        severity=anomaly.severity,
        short_description=anomaly.short,
        description=anomaly.description,
    )
    if anomaly.feature != _DATASET:
        info.path.step.append(anomaly.feature)
    info.reason.add(type=anomaly.type, short_description=anomaly.short, description=anomaly.description)
    return info


def _of_empty_splits(empty: list[str]) -> _Anomaly:
    return _Anomaly(
        _DATASET,
        _TYPES.DATASET_LOW_NUM_EXAMPLES,
        ERROR if spec.TRAIN in empty else WARNING,
        f"No example in {', '.join(empty)}",
        f"Expected examples in every split; {', '.join(empty)} have none. "
        "Check `splits` of the sources in the settings.",
    )


def _of_images(
    dataset: statistics_pb2.DatasetFeatureStatistics, max_bad_image_share: float
) -> Iterator[_Anomaly]:
    split, total = dataset.name, dataset.num_examples
    image = names.feature(dataset, spec.IMAGE)

    def warning(name: str, short: str, description: str) -> Iterator[_Anomaly]:
        count = names.number(image, name)
        if count:
            yield _Anomaly(
                spec.IMAGE,
                _TYPES.CUSTOM_VALIDATION,
                WARNING,
                f"{short} {split}",
                f"{count:,} of {total:,} images of {split} {description}; "
                f"such as {', '.join(names.filenames(image, name))}.",
            )

    bad = names.number(image, names.UNDECODABLE)
    if bad:
        yield _Anomaly(
            spec.IMAGE,
            _TYPES.LOW_SUPPORTED_IMAGE_FRACTION,
            ERROR if bad > max_bad_image_share * total else WARNING,
            f"Undecodable images in {split}",
            f"{bad:,} of {total:,} images of {split} ({bad / total:.1%}) cannot be decoded and are left "
            f"out; at most {max_bad_image_share:.1%} may be. No format that is read fits them; "
            f"such as {', '.join(names.filenames(image, names.UNDECODABLE))}.",
        )
    yield from warning(names.BLANK, "Blank images in", "are of one colour all over")
    yield from warning(
        names.IN_TRAINING,
        "Training images in",
        "are identical to a training image, which flatters every figure measured on them",
    )


def _of_domains(
    dataset: statistics_pb2.DatasetFeatureStatistics, schema: schema_pb2.Schema
) -> Iterator[_Anomaly]:
    for feature in schema.feature:
        kind = feature.WhichOneof("domain_info")
        if kind not in _OUTSIDE:
            continue
        values = names.value_range(names.feature(dataset, feature.name), names.VALUE)
        if values is None:
            continue
        domain, (too_small, too_big) = getattr(feature, kind), _OUTSIDE[kind]
        is_too_big = domain.HasField("max") and values["max"] > domain.max
        if is_too_big or (domain.HasField("min") and values["min"] < domain.min):
            whole = kind == "int_domain"
            form, missing = (".0f", spec.MISSING_LABEL) if whole else ("g", "nan")
            yield _Anomaly(
                feature.name,
                too_big if is_too_big else too_small,
                ERROR,
                f"Labels outside the domain in {dataset.name}",
                f"Expected labels {_allowed(domain, form)}, or {missing} for a missing one; those of "
                f"{dataset.name} go from {values['min']:{form}} to {values['max']:{form}}. "
                "Check the source's labels, and the names of tasks in the settings.",
            )


def _allowed(domain: schema_pb2.IntDomain | schema_pb2.FloatDomain, form: str) -> str:
    if not domain.HasField("min"):
        return f"up to {domain.max:{form}}"
    return f"from {domain.min:{form}} " + (f"to {domain.max:{form}}" if domain.HasField("max") else "up")


def _of_task(
    name: str,
    task: TaskSettings,
    dataset: statistics_pb2.DatasetFeatureStatistics,
    training: statistics_pb2.DatasetFeatureStatistics,
) -> Iterator[_Anomaly]:
    feature = task.feature or name
    yield from _of_labels(dataset, name, feature)
    if task.kind == EMBEDDING:
        yield from _of_people(dataset, feature)
    elif names.num_labelled(names.feature(dataset, feature)):
        yield from _of_names(dataset, training, feature, task.kind)


def _of_names(
    dataset: statistics_pb2.DatasetFeatureStatistics,
    training: statistics_pb2.DatasetFeatureStatistics,
    feature: str,
    kind: str,
) -> Iterator[_Anomaly]:
    """What concerns single classes, or other names of a label."""
    what = _NOUNS.get(kind, "classes")
    classes = names.by_name(names.feature(dataset, feature))

    def warning(short: str, description: str) -> _Anomaly:
        return _Anomaly(
            feature, _TYPES.CUSTOM_VALIDATION, WARNING, f"{short} {dataset.name}", description
        )

    if dataset.name != spec.TRAIN:
        trained = names.by_name(names.feature(training, feature))
        unknown = {name: count for name, count in classes.items() if count and not trained.get(name)}
        if unknown:
            yield warning(
                f"Untrained {what} in",
                f"{dataset.name} has {what} without a training example: {_listed(unknown)}.",
            )
        return
    rare = {name: count for name, count in classes.items() if count < FEW_EXAMPLES}
    if rare:
        yield warning(
            f"Rare {what} in",
            f"{what.capitalize()} with fewer than {FEW_EXAMPLES} training examples: {_listed(rare)}.",
        )
    if kind != CLASSES:
        return
    present = {name: count for name, count in classes.items() if count}
    largest, smallest = (choose(present, key=present.__getitem__) for choose in (max, min))
    if present[largest] > LARGEST_IMBALANCE * present[smallest]:
        yield warning(
            "Unbalanced classes in",
            f"There are {present[largest] / present[smallest]:.1f} times as many examples of {largest} "
            f"({present[largest]:,.0f}) as of {smallest} ({present[smallest]:,.0f}); "
            f"expected at most {LARGEST_IMBALANCE} times.",
        )


def _of_people(dataset: statistics_pb2.DatasetFeatureStatistics, feature: str) -> Iterator[_Anomaly]:
    if names.feature(dataset, feature).string_stats.unique == 1:
        yield _Anomaly(
            feature,
            _TYPES.FEATURE_TYPE_LOW_UNIQUE,
            _severity_in(dataset.name),
            f"Fewer than two people in {dataset.name}",
            f"Expected at least two people in {dataset.name}, to tell them apart; got one.",
        )


def _of_labels(
    dataset: statistics_pb2.DatasetFeatureStatistics, task: str, feature: str
) -> Iterator[_Anomaly]:
    """What concerns any task: no label at all, or identical images that disagree."""
    split, labels = dataset.name, names.feature(dataset, feature)
    if not names.num_labelled(labels):
        yield _Anomaly(
            feature,
            _TYPES.FEATURE_TYPE_NOT_PRESENT,
            _severity_in(split),
            f"No {task} label in {split}",
            f"Expected at least one example of {split} with a label for {task}; none of "
            f"{dataset.num_examples:,} has one. Add a source that has the feature {feature!r}, or turn "
            f"the task off with tasks.{task}.weight 0.",
        )
    groups = names.number(labels, names.CONTRADICTED)
    if groups:
        yield _Anomaly(
            feature,
            _TYPES.CUSTOM_VALIDATION,
            WARNING,
            f"Contradictory labels in {split}",
            f"{groups:,} groups of identical images, the first of them in {split}, have several labels "
            f"for {feature}; such as {', '.join(names.filenames(labels, names.CONTRADICTED))}.",
        )


def _severity_in(split: str) -> int:
    return ERROR if split == spec.TRAIN else WARNING


def _listed(counts: Mapping[str, float]) -> str:
    return ", ".join(
        f"{name} ({count:,.{0 if count == int(count) else 1}f})" for name, count in counts.items()
    )
