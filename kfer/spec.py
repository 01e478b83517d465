"""What one example and one prediction are: feature keys, label values and shapes."""

IMAGE = "image"
EXPRESSION = "expression"
IDENTITY = "identity"
EMBEDDING = "embedding"
FILENAME = "filename"
SOURCE = "source"

IMAGE_A = "image_a"
IMAGE_B = "image_b"
SAME = "same"
FOLD = "fold"

# What goes from frame to frame: the export that does, what it takes of a frame, and what it gives on.
STEP = "step"
FEATURES = "features"
STATE = "state"

# A clip is frames in time, an example of its own kind, with the labels of the whole and of each frame.
CLIP = "clip"
FRAME_RATE = "frame_rate"
FRAME_EXPRESSION = "frame_expression"
SOUND = "sound"
#: Of sound in examples, samples a second.
SAMPLE_RATE = 16_000

#: The most pixels that a picture may have. Reading takes 8 bytes each, and of WebP 16: 1.2 GB at most.
MOST_PIXELS, MOST_PIXELS_OF_WEBP = 150_000_000, 75_000_000

#: The label of a task that a source says nothing about. Losses and metrics skip it.
MISSING_LABEL = -1

#: The basic expressions, in the alphabetical order of FER2013's class folders.
EXPRESSIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
