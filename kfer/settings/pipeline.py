"""Everything that a pipeline can be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kfer.settings.augmentation import AugmentationSettings
from kfer.settings.checks import check, check_folder_name, checked
from kfer.settings.data import DataSettings
from kfer.settings.evaluation import EvaluationSettings
from kfer.settings.export import ExportSettings
from kfer.settings.model import ModelSettings
from kfer.settings.tasks import (
    MOVED_BY,
    PAIRWISE_LOSSES,
    LabelSettings,
    TaskSettings,
    active,
    check_tasks,
    default_tasks,
    labels_of,
)
from kfer.settings.training import TrainingSettings
from kfer.settings.tuning import TuningSettings


@dataclass(frozen=True)
@checked
class PipelineSettings:
    """Everything that a pipeline can be told.

    Attributes:
        name: Names the pipeline's folder of runs and the pushed model.
        data_dir: Folder with what the user downloaded, one subfolder a dataset.
        pipeline_root: Where runs, artifacts and the report go; empty: pipeline_output/<name>.
        serving_dir: Where models are pushed: <serving_dir>/<name>/<version>/.
        tasks: What the network learns, by the names of its outputs; no other outputs are made.
    """

    name: str = "synthetic"
    data_dir: str = ""
    pipeline_root: str = ""
    serving_dir: str = "saved_models"
    tasks: Mapping[str, TaskSettings] = field(default_factory=default_tasks)
    data: DataSettings = field(default_factory=DataSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    tuning: TuningSettings = field(default_factory=TuningSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    export: ExportSettings = field(default_factory=ExportSettings)

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        check_tasks(self.tasks)
        learned = active(self.tasks)
        check(
            self.training.weighting == "fixed" or len(learned) > 1,
            "training.weighting",
            f"fixed for one task, {', '.join(learned)}; give another one a weight to weigh them",
            self.training.weighting,
        )
        for name, task in learned.items():
            self._check_augmentation(name, task)
        if self.tuning.trials:
            # Late: it takes these settings apart.
            from kfer.settings.space import space

            space(self)

    def _check_augmentation(self, name: str, task: TaskSettings) -> None:
        steps = self.augmentation.active() | {"policy_operations": self.augmentation.policy_operations}
        for step in MOVED_BY.get(task.feature or name, ()):
            check(
                not (self.augmentation.strength and steps.get(step)),
                f"augmentation.{step}",
                f"0 beside tasks.{name}, whose labels say where things were before it moved them",
                steps.get(step),
            )
        check(
            not (task.loss in PAIRWISE_LOSSES and self.augmentation.mixes()),
            "augmentation.mixup and cutmix",
            f"0 beside tasks.{name}: {task.loss} compares people, and a mixed face is half a person",
            (self.augmentation.mixup, self.augmentation.cutmix),
        )

    def labels(self) -> dict[str, LabelSettings]:
        """What examples must carry, by feature: for tasks, and for slices of the evaluation."""
        return labels_of(self.tasks, self.evaluation.slices)
