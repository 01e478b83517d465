"""The part of Python's pickle language that torch's checkpoints are written in.

Python's own unpickler imports what a pickle names and calls it. Nothing is imported or called here: a
pickle's instructions are followed one by one, names stand for themselves, and whatever a checkpoint of
tensors does not need is refused.
"""

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

#: Far above the pickle of any network (ResNet152's has 0.2 MB), low enough for memory and time: a
#: byte may become an object.
_LARGEST_PICKLE = 2 * 2**20
#: No array of weights comes near; numpy's own limit is 64.
_MOST_DIMENSIONS = 16
#: Sizes, strides and offsets stay far inside what numpy counts with.
_LARGEST_NUMBER = 2**40

#: torch's storage types by numpy's; bfloat16, which numpy lacks, is read as its 16 bits.
STORAGES = {
    "torch.DoubleStorage": "f8",
    "torch.FloatStorage": "f4",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "bool",
}
_DICT = "collections.OrderedDict"
#: `_rebuild_tensor` is what torch 0.3 wrote, of which torchvision's older files may be.
_TENSOR = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
_PARAMETER = "torch._utils._rebuild_parameter"
_GLOBALS = {_DICT, *_TENSOR, _PARAMETER, *STORAGES}

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"),
}


@dataclass(frozen=True, slots=True)
class Global:
    """A name that a pickle mentions, as "module.name"."""

    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    """What a pickle says of a run of numbers that lies outside it."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A view of a storage; offset and strides count numbers."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def load(file: BinaryIO, storages: dict[str, Storage] | None = None) -> Any:
    """Returns the object of the pickle at the file's position, and leaves the file behind it.

    Args:
        file: A file that can seek.
        storages: Is given every storage that the pickle mentions, by its key.

    Returns:
        None, bool, int, float, str, list, tuple, dict, `Global`, `Storage` and `Tensor` in one another.

    Raises:
        ValueError: The pickle is damaged, is too large, or asks for more than tensors need.
        IndexError: Its instructions take more than there is.
        KeyError: They take what they did not keep.
    """
    start = file.tell()
    pickle = io.BytesIO(file.read(_LARGEST_PICKLE))
    machine = _Machine({} if storages is None else storages)
    try:
        for opcode, argument, _ in pickletools.genops(pickle):
            machine.follow(opcode.name, argument)
    except ValueError as error:
        if len(pickle.getbuffer()) == _LARGEST_PICKLE and "exhausted" in str(error):
            raise ValueError(f"its pickle is larger than {_LARGEST_PICKLE:,} bytes") from error
        raise
    file.seek(start + pickle.tell())
    return machine.stack.pop()


class _Machine:
    def __init__(self, storages: dict[str, Storage]) -> None:
        self.stack: list[Any] = []
        self._storages = storages
        self._marks: list[int] = []
        self._kept: dict[int, Any] = {}
        self._pairs_left = _LARGEST_PICKLE
        self._actions: dict[str, Callable[[Any], None]] = {
            "PROTO": lambda _: None,
            "FRAME": lambda _: None,
            "STOP": lambda _: None,
            "MARK": lambda _: self._marks.append(len(self.stack)),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "EMPTY_TUPLE": lambda _: self.stack.append(()),
            "TUPLE": lambda _: self.stack.append(tuple(self._since_mark())),
            "TUPLE1": lambda _: self._tuple(1),
            "TUPLE2": lambda _: self._tuple(2),
            "TUPLE3": lambda _: self._tuple(3),
            "BINPUT": self._keep,
            "LONG_BINPUT": self._keep,
            "MEMOIZE": lambda _: self._keep(len(self._kept)),
            "BINGET": lambda index: self.stack.append(self._kept[index]),
            "LONG_BINGET": lambda index: self.stack.append(self._kept[index]),
            "APPEND": lambda _: self._extend([self.stack.pop()]),
            "APPENDS": lambda _: self._extend(self._since_mark()),
            "SETITEM": lambda _: self._set_items([self.stack.pop(-2), self.stack.pop()]),
            "SETITEMS": lambda _: self._set_items(self._since_mark()),
            "GLOBAL": lambda names: self._global(*names.split(" ", 1)),
            "STACK_GLOBAL": lambda _: self._global(self.stack.pop(-2), self.stack.pop()),
            "REDUCE": lambda _: self._call(self.stack.pop(-2), self.stack.pop()),
            "BUILD": lambda _: self._ignore_attributes(),
            "BINPERSID": lambda _: self._storage(_storage(self.stack.pop())),
        }

    def follow(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in self._actions:
            self._actions[name](argument)
        else:
            raise ValueError(f"refuses the pickle instruction {name}, which tensors do not need")

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def _tuple(self, count: int) -> None:
        self.stack[-count:] = [_items(self.stack, count)]

    def _keep(self, index: int) -> None:
        self._kept[index] = self.stack[-1]

    def _extend(self, values: list[Any]) -> None:
        _of_type(self.stack[-1], list).extend(values)

    def _set_items(self, pairs: list[Any]) -> None:
        target = _of_type(self.stack[-1], dict)
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            # A tuple of tuples could take forever to hash.
            if not isinstance(key, str | int):
                raise ValueError(f"a key is a {type(key).__name__}; expected text")
            target[key] = value

    def _global(self, module: Any, name: Any) -> None:
        full = f"{_of_type(module, str)}.{_of_type(name, str)}"
        if full not in _GLOBALS:
            raise ValueError(f"refuses {full[:200]!r}: a checkpoint of tensors has no need of it")
        self.stack.append(Global(full))

    def _call(self, function: Any, arguments: Any) -> None:
        name = function.name if isinstance(function, Global) else type(function).__name__
        _of_type(arguments, tuple)
        if name == _DICT and not arguments:
            self.stack.append({})
        elif name == _DICT and len(arguments) == 1:
            self.stack.append({})
            # One list may be taken again and again.
            self._pairs_left -= len(_of_type(arguments[0], list))
            if self._pairs_left < 0:
                raise ValueError("its dictionaries are made of more pairs than it has bytes")
            for pair in arguments[0]:
                if not isinstance(pair, list | tuple) or len(pair) != 2:
                    raise ValueError("a dictionary is made of something other than pairs")
                self._set_items(list(pair))
        # A seventh argument says that the numbers are to be negated or conjugated.
        elif name in _TENSOR and 4 <= len(arguments) <= 6:
            self.stack.append(_tensor(*arguments[:4]))
        elif name == _PARAMETER and arguments:
            self.stack.append(_of_type(arguments[0], Tensor))
        else:
            raise ValueError(f"refuses the call of {name!r} with {len(arguments)} arguments")

    def _storage(self, storage: Storage) -> None:
        if self._storages.setdefault(storage.key, storage) != storage:
            raise ValueError(f"storage {storage.key[:40]!r} has two types or lengths")
        self.stack.append(storage)

    def _ignore_attributes(self) -> None:
        """Drops what state dictionaries carry beside their items: versions of modules."""
        self.stack.pop()
        _of_type(self.stack[-1], dict)


def _items(stack: list[Any], count: int) -> tuple[Any, ...]:
    if len(stack) < count:
        raise ValueError("its instructions take more than there is")
    return tuple(stack[-count:])


def _of_type(value: Any, wanted: type) -> Any:
    if not isinstance(value, wanted):
        raise ValueError(f"has a {type(value).__name__} where a {wanted.__name__} belongs")
    return value


def _storage(description: Any) -> Storage:
    """Returns what ("storage", type, key, device, count, maybe a view) says."""
    _of_type(description, tuple)
    if not 5 <= len(description) <= 6 or description[0] != "storage":
        raise ValueError("refers to something that is no storage of numbers")
    kind, key, count = description[1], description[2], description[4]
    if not isinstance(kind, Global) or kind.name not in STORAGES:
        raise ValueError("has a storage of an unknown type")
    if len(description) == 6 and description[5] is not None:
        raise ValueError("has a view of a storage, which torch has not written since 0.4")
    return Storage(_of_type(key, str), STORAGES[kind.name], _number(count))


def _tensor(storage: Any, offset: Any, size: Any, stride: Any) -> Tensor:
    dimensions, steps = len(_of_type(size, tuple)), len(_of_type(stride, tuple))
    if dimensions != steps or dimensions > _MOST_DIMENSIONS:
        raise ValueError(f"a tensor has {dimensions} sizes and {steps} strides")
    sizes, strides = tuple(map(_number, size)), tuple(map(_number, stride))
    return Tensor(_of_type(storage, Storage), _number(offset), sizes, strides)


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _LARGEST_NUMBER:
        raise ValueError("a size, stride or offset of a tensor is no number in range")
    return value
