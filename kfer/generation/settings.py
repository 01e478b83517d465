"""What the training of a generator can be told."""

from dataclasses import dataclass, field
from typing import Annotated

from kfer import spec
from kfer.settings import AdversarialSettings, DcganSettings, PipelineSettings
from kfer.settings.checks import check, check_choices, check_folder_name, checked


@dataclass(frozen=True)
@checked
class MeasureSettings:
    """How a generator is judged. No figure chooses anything: the last epoch's generator is kept.

    Attributes:
        model: A model that kfer pushed, which has learned expressions and identity from real images: the
            folder of its versions, of one version, or a `.tflite` file. It says what generated faces
            express, and its embeddings are what they are compared with real ones by.
        features: "embedding", the model's, or "inception", of keras.applications' InceptionV3 with its
            weights from ImageNet, which Keras downloads: figures that compare with published ones.
        num_images: Images to draw for the figures.
        num_images_each_epoch: Likewise after each epoch, for the distance (KID) and the share of faces
            that express what they were asked to; 0 for none.
        classifier_epochs: Of the network that learns from `num_images` generated images alone and is
            judged on real ones; 0 for none.
        seed: Of the noise.
    """

    model: str = ""
    features: str = "embedding"
    num_images: Annotated[int, "at least 100"] = 5000
    num_images_each_epoch: Annotated[int, "0, or at least 2"] = 700
    classifier_epochs: Annotated[int, "at least 0"] = 10
    seed: Annotated[int, "at least 0"] = 1

    def __post_init__(self) -> None:
        check_choices(self, ("embedding", "inception"), "features")


@dataclass(frozen=True)
@checked
class GenerationSettings:
    """A generator of faces: its examples, networks, training and measures.

    Attributes:
        name: Names the folder of results, and the pushed generator.
        base: The pipeline whose examples it learns from: `base.data` and the classes of
            `base.tasks.expression` count, and where generators are pushed, `base.serving_dir`.
        network: Generator and discriminator.
        adversarial: Their training.
        measures: How the generator is judged.
    """

    name: str
    base: PipelineSettings
    network: DcganSettings = field(default_factory=DcganSettings)
    adversarial: AdversarialSettings = field(default_factory=AdversarialSettings)
    measures: MeasureSettings = field(default_factory=MeasureSettings)

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        missing = [name for name in self.network.conditions if name not in self.base.tasks]
        check(
            not missing and spec.EXPRESSION in self.base.tasks,
            "base.tasks",
            f"a mapping with {', '.join({spec.EXPRESSION: 0} | dict.fromkeys(self.network.conditions))}",
            ", ".join(self.base.tasks),
        )
        check(self.base.data.frames == 0, "base.data.frames", "0: it draws images", self.base.data.frames)
        weights = [source.weight for source in self.base.data.sources if source.weight is not None]
        check(
            not weights,
            "base.data.sources",
            "sources without a weight: all of their images are learned",
            ", ".join(map(str, weights)),
        )
        check(not self.base.tuning.trials, "base.tuning.trials", "0", self.base.tuning.trials)
