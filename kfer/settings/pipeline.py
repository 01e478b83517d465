"""Everything that a pipeline can be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kfer.settings.augmentation import AugmentationSettings
from kfer.settings.checks import check
from kfer.settings.data import DataSettings
from kfer.settings.evaluation import EvaluationSettings
from kfer.settings.export import ExportSettings
from kfer.settings.model import ModelSettings
from kfer.settings.tasks import LabelSettings, TaskSettings, check_tasks, default_tasks, labels_of
from kfer.settings.training import TrainingSettings
from kfer.settings.tuning import TuningSettings


@dataclass(frozen=True)
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
        check(
            self.name.replace("_", "").replace("-", "").isalnum(),
            "name",
            "letters, digits, - and _ (it names folders)",
            self.name,
        )
        check_tasks(self.tasks)

    def labels(self) -> dict[str, LabelSettings]:
        """What examples must carry, by feature: for tasks, and for slices of the evaluation."""
        return labels_of(self.tasks, self.evaluation.slices)
