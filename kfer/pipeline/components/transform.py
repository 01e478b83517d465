"""Transform: encoded images to the network's input, once for all epochs and trials."""

import json

from kfer import spec
from kfer.pipeline.artifacts import (
    ExampleAnomalies,
    Examples,
    TransformedExamples,
    TransformGraph,
)
from kfer.pipeline.component import Input, Output, component
from kfer.settings import DataSettings


@component()
def transform(
    examples: Input[Examples],
    anomalies: Input[ExampleAnomalies],  # taken so that nothing invalid is transformed
    transform_graph: Output[TransformGraph],
    transformed_examples: Output[TransformedExamples],
    data: DataSettings,
) -> str:
    """Decodes, crops and resizes every image; those that do not decode are left out."""
    from kfer import input_pipeline

    labels = examples.labels()
    further = input_pipeline.further(examples.label_settings())
    crops = [source.crop for source in data.sources]
    left_out = 0
    for split, count in labels["num_examples"].items():
        frames = data.frames and input_pipeline.Frames(
            # In training, a window of them begins at a random frame.
            data.frames * (2 if data.frame_sampling == "random" and split == spec.TRAIN else 1),
            data.frame_sampling == "uniform",
            data.num_samples,
        )
        left_out += input_pipeline.write_decoded(
            transformed_examples.split(split),
            input_pipeline.read_examples(examples.split(split), further, data.frames > 0),
            size=data.image_size,
            channels=data.channels,
            crops=crops,
            num_examples=count,
            further=further,
            frames=frames or None,
        )
    if data.num_samples and not input_pipeline.has_sound(transformed_examples.split(spec.TRAIN)):
        raise ValueError(
            f"data.sound_seconds is {data.sound_seconds:g}, but no training clip has sound; take sources "
            "that have some, or set it to 0"
        )
    if labels["num_pairs"]:
        left_out += input_pipeline.write_decoded_pairs(
            transformed_examples.split("pairs"),
            input_pipeline.read_pairs(examples.split("pairs")),
            size=data.image_size,
            channels=data.channels,
            crops=crops,
            num_pairs=labels["num_pairs"],
        )
    transformed_examples.write_labels(labels)
    steps = {
        "image_size": data.image_size,
        "channels": data.channels,
        "crops": dict(zip(labels["sources"], crops, strict=True)),
        "input": f"{spec.CLIP if data.frames else spec.IMAGE}: encoded bytes",
        "output": f"uint8 {[*[data.frames] * (data.frames > 0), *[data.image_size] * 2, data.channels]}",
    }
    (transform_graph.path / "transform.json").write_text(json.dumps(steps, indent=1))
    kept = sum(labels["num_examples"].values())
    what = f"clips of {data.frames} frames" if data.frames else "images"
    return f"{kept:,} {what} at {data.image_size} px, {'grey' if data.channels == 1 else 'RGB'}" + (
        f"; {left_out} left out that do not decode" if left_out else ""
    )
