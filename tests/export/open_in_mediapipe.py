"""Opens TFLite files in MediaPipe Tasks; run with the Python of an environment that has mediapipe.

    python open_in_mediapipe.py <folder>

The folder has images.npy, uint8 `[n, height, width, 3]`, and files whose names say what opens them:
`expression_*.tflite` is for ImageClassifier, `embedding_*.tflite` for ImageEmbedder. What they say goes
to said.json there.
"""

import json
import sys
from pathlib import Path

import mediapipe
import numpy as np
from mediapipe.tasks.metadata import metadata_schema_py_generated as schema
from mediapipe.tasks.metadata import schema_py_generated as tflite
from mediapipe.tasks.python import BaseOptions, vision


def classify(path, images):
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=str(path)))
    with vision.ImageClassifier.create_from_options(options) as classifier:
        results = [classifier.classify(image) for image in images]
    return [
        {
            "output": head.head_name,
            "scores": [[category.category_name, category.score] for category in head.categories],
        }
        for result in results
        for head in result.classifications
    ]


def embed(path, images):
    options = vision.ImageEmbedderOptions(base_options=BaseOptions(model_asset_path=str(path)))
    with vision.ImageEmbedder.create_from_options(options) as embedder:
        results = [embedder.embed(image) for image in images]
    return [
        {"output": embedding.head_name, "numbers": embedding.embedding.tolist()}
        for result in results
        for embedding in result.embeddings
    ]


def read_names(path):
    """What MediaPipe's own code for the schema reads in the file."""
    model = tflite.ModelT.InitFromObj(tflite.Model.GetRootAsModel(path.read_bytes(), 0))
    buffers = [entry.buffer for entry in model.metadata if entry.name == b"TFLITE_METADATA"]
    (content,) = [bytes(model.buffers[index].data) for index in buffers]
    found = schema.ModelMetadataT.InitFromObj(schema.ModelMetadata.GetRootAsModelMetadata(content, 0))
    (graph,) = found.subgraphMetadata
    (image,), (output,) = graph.inputTensorMetadata, graph.outputTensorMetadata
    (unit,) = image.processUnits
    return {
        "name": found.name.decode(),
        "input": image.name.decode(),
        "color_space": image.content.contentProperties.colorSpace,
        "size": [
            image.content.contentProperties.defaultSize.height,
            image.content.contentProperties.defaultSize.width,
        ],
        "mean_and_std": [np.asarray(unit.options.mean).tolist(), np.asarray(unit.options.std).tolist()],
        "output": output.name.decode(),
        "description": output.description.decode(),
        "files": [[file.name.decode(), file.type] for file in output.associatedFiles or []],
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    drawn = [
        mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
        for image in np.load(folder / "images.npy")
    ]
    said = {}
    for file in sorted(folder.glob("*.tflite")):
        run = classify if file.stem.startswith("expression") else embed
        said[file.stem] = {"says": run(file, drawn), "metadata": read_names(file)}
    said["version"] = mediapipe.__version__
    (folder / "said.json").write_text(json.dumps(said))
