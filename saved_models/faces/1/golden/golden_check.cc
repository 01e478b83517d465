// Checks .tflite files against golden vectors, with the C API of TensorFlow Lite and no other library.
//
//   golden_check FOLDER      the model's folder: FOLDER/float32.tflite, FOLDER/golden/golden.txt ...
//
// Prints one line a file and output, and ends with 0 where all pass, else with 1. In an app, call
// CheckGolden with the folder the files were copied to, and leave out main.
//
// Dependency: the headers tensorflow/lite/c/c_api.h and a library with the C API of 2.17 or later:
//   Android  com.google.ai.edge.litert:litert:1.4.0, whose AAR has both
//   iOS      pod 'TensorFlowLiteC', '2.17.0'
//   others   bazel build //tensorflow/lite/c:tensorflowlite_c
// Build: g++ -std=c++17 golden_check.cc -ltensorflowlite_c
//
// golden.txt holds what golden.json does, but for Keras's values and SHA-256 sums; the types and scales
// are read from the files.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensorflow/lite/c/c_api.h"

namespace {

using Bytes = std::vector<uint8_t>;

struct Output {
  std::string name;
  float tolerance = 0;
  std::vector<std::vector<float>> expected;  // one row an image
};

struct File {
  std::string name;
  size_t bytes = 0;
  std::vector<Output> outputs;
};

struct Golden {
  std::string signature;
  size_t inputs = 0;
  std::vector<File> files;
};

Bytes Read(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error(path + " is not there");
  return Bytes(std::istreambuf_iterator<char>(stream), {});
}

Golden ReadGolden(const std::string& path) {
  std::ifstream stream(path);
  if (!stream) throw std::runtime_error(path + " is not there");
  Golden golden;
  std::string word;
  while (stream >> word) {
    if (word == "golden") {
      int format = 0;
      if (!(stream >> format) || format != 1) throw std::runtime_error(path + " is not of format 1");
    } else if (word == "signature") {
      stream >> golden.signature;
    } else if (word == "inputs") {
      stream >> golden.inputs;
    } else if (word == "file") {
      golden.files.emplace_back();
      stream >> golden.files.back().bytes >> golden.files.back().name;
    } else if (word == "output" && !golden.files.empty()) {
      Output output;
      size_t width = 0;
      stream >> output.name >> width >> output.tolerance;
      output.expected.assign(golden.inputs, std::vector<float>(width));
      for (auto& row : output.expected)
        for (float& number : row) stream >> number;
      golden.files.back().outputs.push_back(output);
    } else {
      throw std::runtime_error(path + " is damaged at " + word);
    }
    if (!stream) throw std::runtime_error(path + " is damaged");
  }
  return golden;
}

void Demand(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

// Pixels as the file's input takes them.
Bytes Quantise(const Bytes& pixels, const TfLiteTensor* tensor) {
  const TfLiteQuantizationParams step = TfLiteTensorQuantizationParams(tensor);
  const TfLiteType type = TfLiteTensorType(tensor);
  Demand(type == kTfLiteUInt8 || type == kTfLiteInt8, "the input is neither uint8 nor int8");
  Bytes values(pixels);
  if (step.scale != 0)
    for (uint8_t& value : values)  // an int8 has the same low 8 bits
      value = static_cast<uint8_t>(std::lround(value / step.scale) + step.zero_point);
  return values;
}

// What the numbers of an output stand for.
std::vector<float> Dequantise(const TfLiteTensor* tensor) {
  const TfLiteQuantizationParams step = TfLiteTensorQuantizationParams(tensor);
  const void* data = TfLiteTensorData(tensor);
  const size_t size = TfLiteTensorByteSize(tensor);
  std::vector<float> values;
  switch (TfLiteTensorType(tensor)) {
    case kTfLiteFloat32: {
      const float* numbers = static_cast<const float*>(data);
      return std::vector<float>(numbers, numbers + size / sizeof(float));
    }
    case kTfLiteInt8: {
      const int8_t* numbers = static_cast<const int8_t*>(data);
      values.assign(numbers, numbers + size);
      break;
    }
    case kTfLiteUInt8: {
      const uint8_t* numbers = static_cast<const uint8_t*>(data);
      values.assign(numbers, numbers + size);
      break;
    }
    default:
      throw std::runtime_error("an output is neither float32, int8 nor uint8");
  }
  if (step.scale != 0)
    for (float& value : values) value = (value - step.zero_point) * step.scale;
  return values;
}

template <typename T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

// The largest difference from what is expected, by output; not a number where one is not.
std::vector<float> Differences(const Bytes& content, const Golden& golden, const File& file,
                               const std::vector<Bytes>& images) {
  Owned<TfLiteModel> model(TfLiteModelCreate(content.data(), content.size()), TfLiteModelDelete);
  Demand(model != nullptr, "it is no TFLite file");
  Owned<TfLiteInterpreter> interpreter(TfLiteInterpreterCreate(model.get(), nullptr),
                                       TfLiteInterpreterDelete);
  Demand(interpreter != nullptr, "it has operations that this library lacks");
  Owned<TfLiteSignatureRunner> runner(
      TfLiteInterpreterGetSignatureRunner(interpreter.get(), golden.signature.c_str()),
      TfLiteSignatureRunnerDelete);
  Demand(runner != nullptr, "it has no signature " + golden.signature);
  Demand(TfLiteSignatureRunnerAllocateTensors(runner.get()) == kTfLiteOk, "there is no memory");
  const char* input_name = TfLiteSignatureRunnerGetInputName(runner.get(), 0);
  TfLiteTensor* input = TfLiteSignatureRunnerGetInputTensor(runner.get(), input_name);

  std::vector<float> largest(file.outputs.size(), 0.0f);
  for (size_t image = 0; image < images.size(); ++image) {
    const Bytes given = Quantise(images[image], input);
    Demand(TfLiteTensorCopyFromBuffer(input, given.data(), given.size()) == kTfLiteOk,
           "its input has another size");
    Demand(TfLiteSignatureRunnerInvoke(runner.get()) == kTfLiteOk, "it does not run");
    for (size_t index = 0; index < file.outputs.size(); ++index) {
      const Output& output = file.outputs[index];
      const TfLiteTensor* tensor =
          TfLiteSignatureRunnerGetOutputTensor(runner.get(), output.name.c_str());
      Demand(tensor != nullptr, "it has no output " + output.name);
      const std::vector<float> said = Dequantise(tensor);
      const std::vector<float>& expected = output.expected[image];
      Demand(said.size() == expected.size(), output.name + " has another size");
      for (size_t i = 0; i < said.size(); ++i) {
        const float difference = std::fabs(said[i] - expected[i]);
        // "Not a number" stays, whatever follows.
        if (!std::isnan(largest[index]) && !(difference <= largest[index])) {
          largest[index] = difference;
        }
      }
    }
  }
  return largest;
}

}  // namespace

// Prints a verdict for each file and output, and tells whether all passed.
bool CheckGolden(const std::string& folder) {
  const Golden golden = ReadGolden(folder + "/golden/golden.txt");
  std::vector<Bytes> images;
  for (size_t index = 0; index < golden.inputs; ++index)
    images.push_back(Read(folder + "/golden/input_" + std::to_string(index) + ".bin"));
  bool passed = !golden.files.empty();
  for (const File& file : golden.files) {
    try {
      const Bytes content = Read(folder + "/" + file.name);
      Demand(content.size() == file.bytes, "it is another file than the vectors are of (size)");
      const std::vector<float> largest = Differences(content, golden, file, images);
      for (size_t index = 0; index < largest.size(); ++index) {
        const Output& output = file.outputs[index];
        const bool near = largest[index] <= output.tolerance;  // never true of "not a number"
        passed = passed && near;
        std::printf("%s %s %s: largest difference %.3g, tolerance %g\n", near ? "PASS" : "FAIL",
                    file.name.c_str(), output.name.c_str(), largest[index], output.tolerance);
      }
    } catch (const std::exception& error) {
      passed = false;
      std::printf("FAIL %s: %s\n", file.name.c_str(), error.what());
    }
  }
  std::printf(passed ? "all pass\n" : "NOT all pass\n");
  return passed;
}

int main(int count, char** arguments) {
  try {
    return CheckGolden(count > 1 ? arguments[1] : ".") ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
