"""Which examples, at which size."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from kfer import spec
from kfer.settings.checks import check, check_choices, checked


@dataclass(frozen=True)
@checked
class SourceSettings:
    """One dataset that gives training, validation and test examples, and maybe pairs.

    Attributes:
        dataset: A kfer builder ("fer2013", "lfw", "fer2013/six_class"), or any TFDS dataset name.
        weight: This source's share of a training batch, relative to the others'; 0 leaves it out, as
            None does where another source has a weight. When no source has one, every example is seen
            once an epoch.
        central_crop: Share of the image's height and width that is kept around its centre, in (0, 1].
        crop_shift: How far below the image's middle the middle of that part lies, as a share of the
            image's height; the part stays within the image.
        splits: kfer's split names to the dataset's own (TFDS slices such as "train[:90%]" work).
        pairs: Splits of `pairs_dataset` with verification pairs, all of people not trained on.
        pairs_dataset: The dataset that has the pairs ("lfw/pairs"); its images are cropped alike.
        features: kfer's feature keys to the dataset's own, where they differ ({"identity": "label"}).
        labels: For each feature, the dataset's label names to kfer's ({"expression": {"anger":
            "angry"}}; "*" stands for all others). A name that maps to "" has no counterpart: the
            label is missing.
        arguments: Keyword arguments of the builder (the number of people that "synthetic" draws).
    """

    dataset: str
    weight: Annotated[float, "at least 0"] | None = None
    central_crop: Annotated[float, "in (0, 1]"] = 1.0
    crop_shift: Annotated[float, "in [-0.5, 0.5]"] = 0.0
    splits: Mapping[str, str] = field(default_factory=lambda: {split: split for split in spec.SPLITS})
    pairs: tuple[str, ...] = ()
    pairs_dataset: str = ""
    features: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(not (self.pairs and not self.pairs_dataset), "pairs_dataset", "named where pairs are", "")
        unknown = sorted(set(self.splits) - set(spec.SPLITS))
        check(not unknown, "splits", f"a mapping from {', '.join(spec.SPLITS)}", unknown)

    @property
    def crop(self) -> tuple[float, float]:
        """Which part of an image is kept: `central_crop` and `crop_shift`."""
        return self.central_crop, self.crop_shift


@dataclass(frozen=True)
@checked
class DataSettings:
    """Which examples, at which size.

    Attributes:
        sources: The datasets that are mixed.
        image_size: Height and width of the network's input in pixels.
        channels: 1 for grey, 3 for RGB; how the network sees images. The exported model takes RGB.
        max_bad_image_share: The run stops where more than this share of a split cannot be decoded.
        memory_budget_gb: Decoded images are held in memory up to this many GB, else mapped from disk.
        frames: Frames of a clip that the network sees; 0 where examples are images, not clips.
        frame_sampling: Which frames of a longer clip: "uniform", spread evenly from the first to the
            last; "dense", the ones in the middle, one after the other; "random", in training as many
            from a random one on, else those in the middle. Shorter clips are padded.
        sound_seconds: Sound of a clip that the network hears, from its first frame that is kept on; 0 for
            none. What is longer is cut; a clip without sound has silence.
    """

    sources: tuple[SourceSettings, ...] = (SourceSettings("synthetic"),)
    image_size: Annotated[int, "in [32, 4096]"] = 48
    channels: Annotated[int, "1, or 3"] = 1
    max_bad_image_share: Annotated[float, "in [0, 1]"] = 0.02
    memory_budget_gb: Annotated[float, "at least 0"] = 2.0
    frames: Annotated[int, "in [0, 10000]"] = 0
    frame_sampling: str = "uniform"
    sound_seconds: Annotated[float, "in [0, 3600]"] = 0.0

    def __post_init__(self) -> None:
        check(bool(self.sources), "sources", "at least one dataset", self.sources)
        weights = [source.weight for source in self.sources]
        # All of 0, and of None, would mix every example in, as no weights do.
        wanted = "above 0 in at least one source, where any has a weight"
        check(any(weights) or 0 not in weights, "weight", wanted, weights)
        check_choices(self, ("uniform", "dense", "random"), "frame_sampling")
        with_pairs = [source.dataset for source in self.sources if source.pairs]
        check(
            not (self.frames and with_pairs), "frames", "0 where sources have pairs of images", with_pairs
        )
        if self.sound_seconds:
            check(self.frames > 0, "frames", "at least 1 where sound is heard", self.frames)
            check(
                self.frame_sampling != "random", "frame_sampling", "uniform or dense with sound", "random"
            )

    @property
    def num_samples(self) -> int:
        """Of the sound of a clip."""
        return round(self.sound_seconds * spec.SAMPLE_RATE)
