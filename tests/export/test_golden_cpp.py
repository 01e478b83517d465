"""The C++ checker, compiled and run over LiteRT's interpreter.

No package of this project brings a library with TensorFlow Lite's C API. A stand-in with the same
functions passes each call on to Python, where the interpreter of ai-edge-litert answers.
"""

import ctypes
import itertools
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from kfer import export

pytestmark = pytest.mark.slow
SOURCE = Path(export.__file__).parent / "checkers" / "golden_check.cc"
TYPES = {np.float32: 1, np.uint8: 3, np.int8: 9}
#: Of the real header, what the checker uses.
HEADER = """
#include <stddef.h>
#include <stdint.h>
typedef struct TfLiteModel TfLiteModel;
typedef struct TfLiteInterpreter TfLiteInterpreter;
typedef struct TfLiteInterpreterOptions TfLiteInterpreterOptions;
typedef struct TfLiteSignatureRunner TfLiteSignatureRunner;
typedef struct TfLiteTensor TfLiteTensor;
typedef enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 } TfLiteStatus;
typedef enum { kTfLiteFloat32 = 1, kTfLiteUInt8 = 3, kTfLiteInt8 = 9 } TfLiteType;
typedef struct TfLiteQuantizationParams { float scale; int32_t zero_point; } TfLiteQuantizationParams;
extern "C" {
TfLiteModel* TfLiteModelCreate(const void*, size_t);
void TfLiteModelDelete(TfLiteModel*);
TfLiteInterpreter* TfLiteInterpreterCreate(const TfLiteModel*, const TfLiteInterpreterOptions*);
void TfLiteInterpreterDelete(TfLiteInterpreter*);
TfLiteSignatureRunner* TfLiteInterpreterGetSignatureRunner(const TfLiteInterpreter*, const char*);
void TfLiteSignatureRunnerDelete(TfLiteSignatureRunner*);
const char* TfLiteSignatureRunnerGetInputName(const TfLiteSignatureRunner*, int32_t);
TfLiteStatus TfLiteSignatureRunnerAllocateTensors(TfLiteSignatureRunner*);
TfLiteTensor* TfLiteSignatureRunnerGetInputTensor(TfLiteSignatureRunner*, const char*);
TfLiteStatus TfLiteSignatureRunnerInvoke(TfLiteSignatureRunner*);
const TfLiteTensor* TfLiteSignatureRunnerGetOutputTensor(const TfLiteSignatureRunner*, const char*);
TfLiteType TfLiteTensorType(const TfLiteTensor*);
size_t TfLiteTensorByteSize(const TfLiteTensor*);
void* TfLiteTensorData(const TfLiteTensor*);
TfLiteQuantizationParams TfLiteTensorQuantizationParams(const TfLiteTensor*);
TfLiteStatus TfLiteTensorCopyFromBuffer(TfLiteTensor*, const void*, size_t);
}
"""
#: A tensor is six numbers: its data, bytes, type, scale and zero point, and its number in Python.
STAND_IN = """
#include "tensorflow/lite/c/c_api.h"
struct TfLiteTensor { void* data; int64_t bytes, type, zero_point, number; double scale; };
extern "C" {
int64_t (*open_model)(const void*, int64_t);
int64_t (*find_runner)(int64_t, const char*);
int64_t (*find_tensor)(int64_t, const char*);
int64_t (*invoke)(int64_t);
}
using Runner = TfLiteSignatureRunner;
#define NUMBER(pointer) reinterpret_cast<int64_t>(pointer)
TfLiteModel* TfLiteModelCreate(const void* data, size_t size) {
  return reinterpret_cast<TfLiteModel*>(open_model(data, size));
}
void TfLiteModelDelete(TfLiteModel*) {}
TfLiteInterpreter* TfLiteInterpreterCreate(const TfLiteModel* m, const TfLiteInterpreterOptions*) {
  return reinterpret_cast<TfLiteInterpreter*>(NUMBER(m));
}
void TfLiteInterpreterDelete(TfLiteInterpreter*) {}
TfLiteSignatureRunner* TfLiteInterpreterGetSignatureRunner(const TfLiteInterpreter* i, const char* key) {
  return reinterpret_cast<TfLiteSignatureRunner*>(find_runner(NUMBER(i), key));
}
void TfLiteSignatureRunnerDelete(TfLiteSignatureRunner*) {}
const char* TfLiteSignatureRunnerGetInputName(const TfLiteSignatureRunner*, int32_t) { return "image"; }
TfLiteStatus TfLiteSignatureRunnerAllocateTensors(TfLiteSignatureRunner*) { return kTfLiteOk; }
TfLiteTensor* TfLiteSignatureRunnerGetInputTensor(TfLiteSignatureRunner* r, const char* name) {
  return reinterpret_cast<TfLiteTensor*>(find_tensor(NUMBER(r), name));
}
TfLiteStatus TfLiteSignatureRunnerInvoke(TfLiteSignatureRunner* r) {
  return invoke(NUMBER(r)) ? kTfLiteOk : kTfLiteError;
}
const TfLiteTensor* TfLiteSignatureRunnerGetOutputTensor(const Runner* r, const char* name) {
  return reinterpret_cast<TfLiteTensor*>(find_tensor(NUMBER(r), name));
}
TfLiteType TfLiteTensorType(const TfLiteTensor* t) { return static_cast<TfLiteType>(t->type); }
size_t TfLiteTensorByteSize(const TfLiteTensor* t) { return t->bytes; }
void* TfLiteTensorData(const TfLiteTensor* t) { return t->data; }
TfLiteQuantizationParams TfLiteTensorQuantizationParams(const TfLiteTensor* t) {
  return {static_cast<float>(t->scale), static_cast<int32_t>(t->zero_point)};
}
TfLiteStatus TfLiteTensorCopyFromBuffer(TfLiteTensor* t, const void* data, size_t size) {
  if (size != static_cast<size_t>(t->bytes)) return kTfLiteError;
  __builtin_memcpy(t->data, data, size);
  return kTfLiteOk;
}
"""


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("bytes", "type", "zero_point", "number")),
        ("scale", ctypes.c_double),
    ]

    def __init__(self, details):
        self.array = np.zeros(details["shape"], details["dtype"])
        scale, zero_point = details["quantization"]
        kind = TYPES[details["dtype"]]
        super().__init__(self.array.ctypes.data, self.array.nbytes, kind, zero_point, 0, scale)


class Program:
    """The checker with the stand-in, as a library whose `main` is called."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        self.objects, self.numbers, number = {}, itertools.count(1), ctypes.c_int64
        kinds = {
            "open_model": (self.open_model, ctypes.c_void_p, number),
            "find_runner": (self.find_runner, number, ctypes.c_char_p),
            "find_tensor": (self.find_tensor, number, ctypes.c_char_p),
            "invoke": (self.invoke, number),
        }
        self.hooks = {n: ctypes.CFUNCTYPE(number, *kind[1:])(kind[0]) for n, kind in kinds.items()}
        for name, hook in self.hooks.items():
            ctypes.c_void_p.in_dll(self.library, name).value = ctypes.cast(hook, ctypes.c_void_p).value

    def __call__(self, folder):
        arguments = (ctypes.c_char_p * 2)(b"golden_check", str(folder).encode())
        code = self.library.main(2, arguments)
        ctypes.CDLL(None).fflush(None)
        return code

    @staticmethod
    def said(output):
        """What a device makes of what LiteRT says."""
        return output

    def keep(self, thing):
        number = next(self.numbers)
        self.objects[number] = thing
        return number

    def open_model(self, data, size):
        return self.keep(Interpreter(model_content=ctypes.string_at(data, size)))

    def find_runner(self, number, key):
        interpreter = self.objects[number]
        if key.decode() not in interpreter.get_signature_list():
            return 0
        runner = interpreter.get_signature_runner(key.decode())
        details = runner.get_input_details() | runner.get_output_details()
        tensors = {name: Tensor(detail) for name, detail in details.items()}
        return self.keep((runner, tensors))

    def find_tensor(self, number, name):
        tensor = self.objects[number][1].get(name.decode())
        return ctypes.addressof(tensor) if tensor else 0

    def invoke(self, number):
        runner, tensors = self.objects[number]
        for name, output in runner(image=tensors["image"].array).items():
            tensors[name].array[...] = self.said(output)
        return 1


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    if shutil.which("g++") is None:
        pytest.skip("g++ is needed, and not here")
    folder = tmp_path_factory.mktemp("cpp")
    header = folder / "tensorflow" / "lite" / "c" / "c_api.h"
    header.parent.mkdir(parents=True)
    header.write_text("#pragma once\n" + HEADER)
    (folder / "stand_in.cc").write_text(STAND_IN)
    options = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{folder}"]
    command = ["g++", *options, str(SOURCE), "stand_in.cc", "-o", "golden_check.so"]
    subprocess.run(command, check=True, cwd=folder)
    return Program(folder / "golden_check.so")


@pytest.fixture
def model(colour, tmp_path):
    colour.write_golden(tmp_path, ("float32", "int8"))
    return tmp_path


def test_every_output_passes(program, model, capfd):
    assert program(model) == 0
    said = capfd.readouterr().out
    assert said.count("PASS") == 4 and said.endswith("\nall pass\n")
    assert "PASS int8.tflite expression: largest difference 0, tolerance 0.0" in said


def test_another_number_and_another_file_fail(program, model, capfd):
    text = model / "golden" / "golden.txt"
    number = json.loads((model / "golden" / "golden.json").read_text())["files"][0]["outputs"][1][
        "expected"
    ]
    text.write_text(text.read_text().replace(repr(number[0][0]), repr(number[0][0] + 0.01), 1))
    path = model / "int8.tflite"
    path.write_bytes(path.read_bytes() + b"\0")
    assert program(model) == 1
    said = capfd.readouterr().out
    assert "PASS float32.tflite embedding" in said
    assert "FAIL float32.tflite expression: largest difference 0.01" in said
    assert "FAIL int8.tflite: it is another file than the vectors are of" in said
    assert said.endswith("\nNOT all pass\n")


def test_what_is_not_a_number_fails(program, model, capfd, monkeypatch):
    def spoiled(output):
        return np.where(np.arange(output.size).reshape(output.shape) == 0, np.nan, output)

    monkeypatch.setattr(program, "said", spoiled)
    assert program(model) == 1
    said = capfd.readouterr().out
    assert said.count("FAIL") == 4 and "FAIL float32.tflite embedding: largest difference nan" in said


@pytest.mark.parametrize("damage", ["golden 2\n", "golden 1\nfile x", "signature s\nodd", ""])
def test_damaged_vectors_never_pass(program, model, capfd, damage):
    (model / "golden" / "golden.txt").write_text(damage)
    assert program(model) == 1
