"""Encoded pictures as upright RGB, in TensorFlow's operations: how training and the served model decode.

The rules are those of `kfer.media.pictures`, which reads more formats: TensorFlow has JPEG, PNG, BMP, GIF
and WebP. What it would read otherwise is either put right here (EXIF, transparency, palettes of BMP) or
refused: JPEG XL, animated WebP (TensorFlow 2.21 frees its memory twice), packed BMP, a GIF whose first
picture does not cover it, and 16 bits of which few are used.

Each function works on eager tensors, inside ``tf.data.Dataset.map`` and inside a ``tf.function``.
"""

from collections.abc import Callable

import tensorflow as tf

from kfer import spec

_EXIF = b"Exif\0\0"
_ORIENTATION = 0x0112
# So many chunks of a PNG or WebP, and blocks of a GIF, are looked at, as in `kfer.media.headers`.
_MOST_CHUNKS = 4096
# Bytes of 0 behind each file, so that its end can be read like any other part.
_PADDING = 64
# By a JPEG's marker: how far the next one is; 0 where the header ends, -1 where a length follows.
_STEPS = [
    1
    if marker == 0xFF
    else 0
    if marker in (0xD9, 0xDA)
    else 2
    if marker <= 1 or 0xD0 <= marker <= 0xD8
    else -1
    for marker in range(256)
]
_APP1 = 0xE1
_IEND, _TRNS, _EXIF_OF_PNG = (int.from_bytes(name, "big") for name in (b"IEND", b"tRNS", b"eXIf"))
_RGB = 2  # and grey is 0, by the types of colour of a PNG
_VP8X, _VP8L, _EXIF_OF_WEBP = b"VP8X", b"VP8L", b"EXIF"
_HAS_EXIF, _IS_ANIMATED = 8, 2
_BITFIELDS = 3
_MASKS = b"\0\0\xff\0\0\xff\0\0\xff\0\0\0"  # red, green, blue of a BMP
_OPAQUE, _ALPHA = bytes(4), b"\0\0\0\xff"
_EXTENSION, _CONTROL, _IMAGE = 0x21, 0xF9, 0x2C
_EACH_BYTE = [bytes([value]) for value in range(256)]
# The brightest of 256 levels that a picture of 16 bits must exceed.
_DARKEST = 64


# Operation by operation, the walk through a header would take longer than the picture.
@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes one JPEG, PNG, BMP, GIF (its first picture) or WebP.

    Args:
        encoded: The file's bytes, a string scalar.

    Returns:
        RGB uint8 [height, width, 3], upright by EXIF, what is transparent over white.

    Raises:
        tf.errors.InvalidArgumentError: If the bytes are no whole picture of these formats, or one that is
            refused; see the module.
    """
    head = tf.strings.join([tf.strings.substr(encoded, 0, 12), bytes(12)])

    def begins(with_: bytes, place: int = 0) -> tf.Tensor:
        return tf.equal(tf.strings.substr(head, place, len(with_)), with_)

    known: list[tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]] = [
        (begins(b"\xff\xd8\xff"), _jpeg),
        (begins(b"\x89PNG\r\n\x1a\n"), _png),
        (begins(b"GIF87a") | begins(b"GIF89a"), _gif),
        (begins(b"BM"), _bmp),
        (begins(b"RIFF") & begins(b"WEBP", 8), _webp),
    ]
    chosen = tf.argmax(tf.stack([matches for matches, _ in known] + [True]), output_type=tf.int32)
    branches = [lambda read=read: read(encoded) for _, read in known]  # type: ignore[misc]
    image = tf.switch_case(chosen, [*branches, lambda: _refused()])
    image.set_shape([None, None, 3])
    return image


def turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns a picture as EXIF's orientation says.

    Args:
        image: [height, width, channels].
        orientation: int32 scalar, 1 to 8.

    Returns:
        The same upright, [width, height, channels] from 5 on.
    """

    def upright() -> tf.Tensor:
        order = tf.where(orientation >= 5, [1, 0, 2], [0, 1, 2])
        flips = [
            tf.reduce_any(orientation == [3, 4, 7, 8]),
            tf.reduce_any(orientation == [2, 3, 6, 7]),
            False,
        ]
        return tf.raw_ops.Reverse(tensor=tf.transpose(image, order), dims=tf.stack(flips))

    return tf.cond(orientation > 1, upright, lambda: image)


def orientation_of(block: tf.Tensor) -> tf.Tensor:
    """Returns the orientation that a block of EXIF says, as `kfer.media.headers.orientation_of` does.

    Args:
        block: uint8 [n], with or without "Exif" before it.

    Returns:
        int32 scalar, 1 to 8; 1 where it says none, or is damaged.
    """
    begin = tf.concat([block, tf.zeros([_PADDING], tf.uint8)], 0)
    is_named = tf.reduce_all(begin[: len(_EXIF)] == list(_EXIF))
    skipped = tf.where(is_named, len(_EXIF), 0)
    length = tf.maximum(tf.size(block) - skipped, 0)
    data = begin[skipped:]
    is_little = tf.reduce_all(data[:2] == list(b"II"))
    is_valid = (is_little | tf.reduce_all(data[:2] == list(b"MM"))) & (length >= 8)
    small = tf.constant([1 << 0, 1 << 8, 1 << 16, 1 << 24], tf.int64)
    long = tf.where(is_little, small, small[::-1])
    short = tf.where(is_little, small[:2], small[1::-1])
    place = tf.reduce_sum(tf.cast(data[4:8], tf.int64) * long)
    is_valid &= place + 2 <= tf.cast(length, tf.int64)
    place = tf.cast(tf.where(is_valid, place, 0), tf.int32)
    count = tf.cast(tf.reduce_sum(tf.cast(data[place : place + 2], tf.int64) * short), tf.int32)
    count = tf.where(is_valid, tf.maximum(tf.minimum(count, (length - place - 2) // 12), 0), 0)
    entries = tf.reshape(data[place + 2 : place + 2 + 12 * count], [-1, 12])
    entries = tf.cast(entries, tf.int64)
    tag, kind, half = (tf.reduce_sum(entries[:, at : at + 2] * short, 1) for at in (0, 2, 8))
    number, whole = (tf.reduce_sum(entries[:, at : at + 4] * long, 1) for at in (4, 8))
    value = tf.where(kind == 1, entries[:, 8], tf.where(kind == 3, half, tf.where(kind == 4, whole, 1)))
    value = tf.where((number == 1) & (value >= 1) & (value <= 8), value, 1)
    # Of an entry that comes twice the last one counts, as in Pillow.
    last = tf.reduce_max(tf.where(tag == _ORIENTATION, tf.range(1, count + 1), 0))
    last = tf.maximum(last, 0)
    return tf.cast(tf.concat([[1], value], 0)[last], tf.int32)


def _jpeg(encoded: tf.Tensor) -> tf.Tensor:
    sides = tf.cast(tf.io.extract_jpeg_shape(encoded, tf.int32), tf.int64)
    encoded = _checked_size(encoded, sides[0], sides[1])
    # As Pillow decodes, to the last bit; the default is 0.7 levels from it.
    image = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")
    return turned(image, _orientation_at(*_exif_in_jpeg(_bytes(encoded))))


def _exif_in_jpeg(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The bytes, and where the first EXIF block within begins and ends; both 0 where there is none."""
    size = tf.size(data) - _PADDING

    def step(place: tf.Tensor, first: tf.Tensor, last: tf.Tensor) -> tuple[tf.Tensor, ...]:
        head = tf.cast(tf.slice(data, [place], [10]), tf.int32)
        length = head[2] * 256 + head[3]
        move = tf.gather(_STEPS, head[1])
        move = tf.where(move >= 0, move, tf.where(length >= 2, length + 2, 0))
        found = (head[1] == _APP1) & (length >= 2 + len(_EXIF)) & tf.reduce_all(head[4:] == list(_EXIF))
        goes_on = (head[0] == 0xFF) & (move > 0) & ~found & (place + move <= size - 4)
        found &= head[0] == 0xFF
        first = tf.where(found, place + 4 + len(_EXIF), 0)
        last = tf.where(found, tf.minimum(place + 2 + length, size), 0)
        return tf.where(goes_on, place + move, 0), first, last

    _, first, last = tf.while_loop(
        lambda place, *_: place > 0, step, [tf.constant(2), tf.constant(0), tf.constant(0)]
    )
    return data, first, last


def _orientation_at(data: tf.Tensor, first: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
    return tf.cond(last > first, lambda: orientation_of(data[first:last]), lambda: tf.constant(1))


def _png(encoded: tf.Tensor) -> tf.Tensor:
    data = _bytes(encoded)
    encoded = _checked_size(encoded, _number(data, 16, 4, "big"), _number(data, 20, 4, "big"))
    bits, colour = data[24], data[25]
    first, last, is_clear = _chunks_of_png(data)
    is_known = ~(is_clear & (bits > 8) & (colour == _RGB))
    encoded = _checked(encoded, is_known, "a PNG with a transparent colour of 16 bits")

    def one_clear_colour() -> tf.Tensor:
        # Below 8 bits the alpha that libpng adds is not 255, yet above 0.
        image = tf.io.decode_png(encoded, channels=4)
        alpha = tf.where(image[..., 3:] > 0, tf.constant(255, tf.uint8), tf.constant(0, tf.uint8))
        return tf.concat([image[..., :3], alpha], -1)

    image = tf.cond(
        is_clear & (colour <= _RGB), one_clear_colour, lambda: tf.io.decode_png(encoded, channels=0)
    )
    num_channels = tf.shape(image)[2]
    num_colours = num_channels - (1 - num_channels % 2)
    is_bright = tf.cond(
        bits > 8,
        lambda: tf.reduce_max(image[..., :num_colours]) >= _DARKEST,
        lambda: tf.constant(True),
    )
    image = _checked(image, is_bright, "a PNG of 16 bits, of which few are used")
    return turned(_over_white(image), _orientation_at(data, first, last))


def _chunks_of_png(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Where the last EXIF block begins and ends, both 0 for none; whether something is clear."""
    size = tf.size(data) - _PADDING

    def step(
        place: tf.Tensor, number: tf.Tensor, first: tf.Tensor, last: tf.Tensor, is_clear: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        head = tf.reshape(tf.cast(tf.slice(data, [place], [8]), tf.int64), [2, 4])
        length, kind = tf.unstack(tf.reduce_sum(head * [1 << 24, 1 << 16, 1 << 8, 1], 1))
        is_exif = kind == _EXIF_OF_PNG
        end = tf.minimum(tf.cast(place, tf.int64) + 8 + length, tf.cast(size, tf.int64))
        first = tf.where(is_exif, place + 8, first)
        last = tf.where(is_exif, tf.cast(end, tf.int32), last)
        following = tf.cast(end, tf.int32) + 4
        goes_on = (kind != _IEND) & (following + 8 <= size) & (number < _MOST_CHUNKS)
        return tf.where(goes_on, following, 0), number + 1, first, last, is_clear | (kind == _TRNS)

    none = tf.constant(0)
    start = [tf.constant(8), tf.constant(1), none, none, tf.constant(False)]
    _, _, first, last, is_clear = tf.while_loop(lambda place, *_: place > 0, step, start)
    return first, last, is_clear


def _gif(encoded: tf.Tensor) -> tf.Tensor:
    data = _bytes(encoded)
    width, height = _number(data, 6, 2), _number(data, 8, 2)
    encoded = _checked_size(encoded, height, width)
    control, place = _first_picture_of_gif(data)
    sides = [_number(data, place + at, 2) for at in (1, 3, 5, 7)]
    covers = tf.reduce_all(tf.stack(sides) == tf.stack([0, 0, width, height]))
    is_whole = (data[place] == _IMAGE) & covers
    encoded = _checked(encoded, is_whole, "a GIF whose first picture does not cover it")
    flags = tf.cast(data[control + 3], tf.int32)

    def in_white() -> tf.Tensor:
        # TensorFlow makes black of what is transparent: the clear colour is made white and not clear.
        own = tf.cast(data[place + 9], tf.int32) >= 0x80
        index = tf.cast(data[control + 6], tf.int32)
        entry = tf.where(own, place + 10, 13) + 3 * index
        flag = tf.gather(_EACH_BYTE, flags - 1)
        return _replaced(_replaced(encoded, control + 3, flag, 1), entry, b"\xff" * 3, 3)

    is_clear = (control > 0) & (flags % 2 == 1)
    whole = tf.cond(is_clear, in_white, lambda: encoded)
    return tf.io.decode_image(whole, channels=3, expand_animations=False)


def _first_picture_of_gif(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the control block before the first picture is, 0 for none, and where that picture begins."""
    flags = tf.cast(data[10], tf.int32)
    colours = tf.where(flags >= 0x80, 3 * tf.bitwise.left_shift(1, flags % 8 + 1), 0)
    size = tf.size(data) - _PADDING

    def step(
        place: tf.Tensor, number: tf.Tensor, control: tf.Tensor, is_within: tf.Tensor, _: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        head = tf.cast(tf.slice(data, [place], [2]), tf.int32)
        starts = ~is_within & (head[0] == _EXTENSION)
        control = tf.where(starts & (head[1] == _CONTROL), place, control)
        following = tf.where(starts, place + 2, place + 1 + head[0])
        goes_on = (starts | is_within) & (following < size) & (number < _MOST_CHUNKS)
        return following, number + 1, control, starts | (is_within & (head[0] > 0)), goes_on

    # A block that does not go on is the picture: its place is that from which it did not.
    def keep(*state: tf.Tensor) -> tuple[tf.Tensor, ...]:
        place, number, control, is_within, goes_on = step(*state)
        return tf.where(goes_on, place, state[0]), number, control, is_within, goes_on

    start = [13 + colours, tf.constant(0), tf.constant(0), tf.constant(False), 13 + colours < size]
    place, _, control, _, _ = tf.while_loop(lambda *state: state[-1], keep, start)
    return control, tf.minimum(place, size)


def _bmp(encoded: tf.Tensor) -> tf.Tensor:
    data = _bytes(encoded)
    head, bits, packing = _number(data, 14, 4), _number(data, 28, 2), _number(data, 30, 4)
    height = _number(data, 22, 4)
    height = tf.minimum(height, (1 << 32) - height)  # below 0 where the first row comes first
    encoded = _checked_size(encoded, height, _number(data, 18, 4))
    masks = tf.strings.substr(tf.strings.join([encoded, bytes(_PADDING)]), 54, 16)
    is_plain = (packing == 0) & ((bits == 24) | (bits == 32))
    has_masks = (packing == _BITFIELDS) & (bits == 32) & (head >= 56)
    is_masked, is_opaque = has_masks & (masks == _MASKS + _ALPHA), has_masks & (masks == _MASKS + _OPAQUE)
    has_palette = (packing == 0) & (bits == 8)
    is_known = (head >= 40) & (is_plain | is_masked | is_opaque | has_palette)
    encoded = _checked(encoded, is_known, "a BMP that is packed")

    def of_palette() -> tf.Tensor:
        used = _number(data, 46, 4)
        used = tf.where((used > 0) & (used < 256), used, 256)
        start = tf.cast(head, tf.int32) + 14
        size = tf.size(data) - _PADDING
        end = tf.minimum(start + 4 * tf.cast(used, tf.int32), size - (size - start) % 4)
        palette = tf.reshape(data[start:end], [-1, 4])[:, 2::-1]
        return tf.gather(palette, tf.cast(tf.io.decode_bmp(encoded, channels=0)[..., 0], tf.int32))

    def of_colours() -> tf.Tensor:
        image = tf.io.decode_bmp(encoded, channels=0)
        return _over_white(tf.cond(is_masked, lambda: image, lambda: image[..., :3]))

    return tf.cond(has_palette, of_palette, of_colours)


def _webp(encoded: tf.Tensor) -> tf.Tensor:
    data = _bytes(encoded)
    kind = tf.strings.substr(tf.strings.join([encoded, bytes(_PADDING)]), 12, 4)
    is_extended, is_lossless = kind == _VP8X, kind == _VP8L
    extended = [_number(data, place, 3) + 1 for place in (24, 27)]
    packed = _number(data, 21, 4)
    lossless = [packed % (1 << 14) + 1, packed // (1 << 14) % (1 << 14) + 1]
    lossy = [_number(data, place, 2) % (1 << 14) for place in (26, 28)]
    sides = tf.where(is_extended, extended, tf.where(is_lossless, lossless, lossy))
    encoded = _checked_size(encoded, sides[0], sides[1], spec.MOST_PIXELS_OF_WEBP)
    flags = tf.where(is_extended, tf.cast(data[20], tf.int32), 0)
    # TensorFlow 2.21 frees memory twice when it is given one.
    is_still = tf.bitwise.bitwise_and(flags, _IS_ANIMATED) == 0
    encoded = _checked(encoded, is_still, "an animated WebP")
    first, last = tf.cond(
        tf.bitwise.bitwise_and(flags, _HAS_EXIF) > 0,
        lambda: _exif_in_webp(encoded, data),
        lambda: (tf.constant(0), tf.constant(0)),
    )
    image = tf.io.decode_image(encoded, channels=0, expand_animations=False)
    return turned(_over_white(image), _orientation_at(data, first, last))


def _exif_in_webp(encoded: tf.Tensor, data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the first EXIF block begins and ends; both 0 where there is none."""
    size = tf.size(data) - _PADDING

    def step(
        place: tf.Tensor, number: tf.Tensor, first: tf.Tensor, last: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        length = _number(data, place + 4, 4)
        end = tf.cast(
            tf.minimum(tf.cast(place, tf.int64) + 8 + length, tf.cast(size, tf.int64)), tf.int32
        )
        found = tf.strings.substr(encoded, place, 4) == _EXIF_OF_WEBP
        following = end + tf.cast(length % 2, tf.int32)
        goes_on = ~found & (following + 8 <= size) & (number < _MOST_CHUNKS)
        place = tf.where(found, place + 8, 0)
        return tf.where(goes_on, following, 0), number + 1, place, tf.where(found, end, last)

    start = [tf.constant(12), tf.constant(1), tf.constant(0), tf.constant(0)]
    _, _, first, last = tf.while_loop(lambda place, *_: place > 0, step, start)
    return first, last


def _refused() -> tf.Tensor:
    nothing = tf.zeros([0, 0, 3], tf.uint8)
    return _checked(nothing, tf.constant(False), "no JPEG, PNG, BMP, GIF or WebP")


def _over_white(image: tf.Tensor) -> tf.Tensor:
    """RGB of an image of 1 to 4 channels, of which the last of 2 or 4 is alpha."""
    num_channels = tf.shape(image)[2]

    def of_grey() -> tf.Tensor:
        return tf.repeat(image[..., :1], 3, -1)

    colours = tf.cond(num_channels < 3, of_grey, lambda: image[..., :3])

    def mixed() -> tf.Tensor:
        share = tf.cast(image[..., num_channels - 1 :], tf.int32)
        seen = tf.cast(colours, tf.int32) * share + 255 * (255 - share) + 127
        return tf.cast(seen // 255, tf.uint8)

    return tf.cond(num_channels % 2 == 0, mixed, lambda: colours)


def _bytes(encoded: tf.Tensor) -> tf.Tensor:
    """A file's bytes and padding, uint8."""
    return tf.concat([tf.io.decode_raw(encoded, tf.uint8), tf.zeros([_PADDING], tf.uint8)], 0)


def _number(data: tf.Tensor, place: int | tf.Tensor, count: int, order: str = "little") -> tf.Tensor:
    weights = tf.constant([1 << 8 * power for power in range(count)], tf.int64)
    weights = weights[::-1] if order == "big" else weights
    return tf.reduce_sum(tf.cast(data[place : place + count], tf.int64) * weights)


def _replaced(encoded: tf.Tensor, place: tf.Tensor, new: tf.Tensor | bytes, count: int) -> tf.Tensor:
    rest = tf.strings.substr(encoded, place + count, tf.strings.length(encoded))
    return tf.strings.join([tf.strings.substr(encoded, 0, place), new, rest])


def _checked_size(
    encoded: tf.Tensor, height: tf.Tensor, width: tf.Tensor, most: int = spec.MOST_PIXELS
) -> tf.Tensor:
    is_fit = (height > 0) & (width > 0) & (height * width <= most)
    return _checked(encoded, is_fit, f"a picture of more than {most} pixels, or of none")


def _checked(value: tf.Tensor, is_right: tf.Tensor, refusal: str) -> tf.Tensor:
    """The value, which nobody gets before it is known to be right."""
    with tf.control_dependencies([tf.debugging.Assert(is_right, [refusal])]):
        return tf.identity(value)
