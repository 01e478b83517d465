// Checks .tflite files against golden vectors on an iPhone or iPad.
//
// Where: a test target or the app itself. Add the model's folder to the target as a folder reference
// ("Create folder references"), so that the bundle has model/float32.tflite, model/golden/golden.json
// and so on.
// Dependency: pod 'TensorFlowLiteSwift', '2.17.0'
//
//   let folder = Bundle.main.resourceURL!.appendingPathComponent("model")
//   try GoldenCheck.run(folder: folder).forEach { print($0) }
//
// TensorFlowLiteSwift reads no int8 tensors: a file with int8 outputs gets a verdict that says so. For
// Core ML or Metal, give the delegate.

import CryptoKit
import Foundation
import TensorFlowLite

enum GoldenCheck {
  /// What was found of an output of a file; `error` says why nothing was.
  struct Verdict: CustomStringConvertible {
    let file: String
    var output = ""
    var difference = Float.nan
    var tolerance: Float = 0
    var error: String?

    /// Never true of "not a number".
    var passed: Bool { error == nil && difference <= tolerance }

    var description: String {
      let words = error ?? "\(output): largest difference \(difference), tolerance \(tolerance)"
      return "\(passed ? "PASS" : "FAIL") \(file) \(words)"
    }
  }

  /// Runs every file on every image; all have passed where each verdict has.
  static func run(folder: URL, delegates: [Delegate]? = nil) throws -> [Verdict] {
    let place = folder.appendingPathComponent("golden")
    let json = try Data(contentsOf: place.appendingPathComponent("golden.json"))
    let golden = try JSONDecoder().decode(Golden.self, from: json)
    let images = try golden.inputs.map { try Data(contentsOf: place.appendingPathComponent($0)) }
    return golden.files.flatMap { file -> [Verdict] in
      do {
        let path = folder.appendingPathComponent(file.file)
        let digest = SHA256.hash(data: try Data(contentsOf: path))
        guard digest.map({ String(format: "%02x", $0) }).joined() == file.sha256 else {
          return [Verdict(file: file.file, error: "is another file than the vectors are of (SHA-256)")]
        }
        let interpreter = try Interpreter(modelPath: path.path, delegates: delegates)
        let runner = try interpreter.signatureRunner(with: golden.signature)
        return try compare(runner, file, images)
      } catch {
        return [Verdict(file: file.file, error: "\(error)")]
      }
    }
  }

  private static func compare(_ runner: SignatureRunner, _ file: File, _ images: [Data]) throws
    -> [Verdict]
  {
    if file.outputs.contains(where: { $0.type == "int8" }) {
      return [Verdict(file: file.file, error: "has int8 outputs, which TensorFlowLiteSwift reads not")]
    }
    var largest = [Float](repeating: 0, count: file.outputs.count)
    for (image, pixels) in images.enumerated() {
      try runner.invoke(with: [file.input.name: quantise(pixels, file.input)])
      for (index, output) in file.outputs.enumerated() {
        let found = dequantise(try runner.output(named: output.name).data, output)
        let expected = output.expected[image]
        guard found.count == expected.count else {
          return [Verdict(file: file.file, output: output.name, error: "has an output of another size")]
        }
        for (number, wanted) in zip(found, expected) {
          let difference = abs(number - wanted)
          // "Not a number" stays, whatever follows.
          if !largest[index].isNaN && !(difference <= largest[index]) { largest[index] = difference }
        }
      }
    }
    return zip(file.outputs, largest).map { output, difference in
      Verdict(
        file: file.file, output: output.name, difference: difference, tolerance: output.tolerance)
    }
  }

  /// Pixels as the file's input takes them.
  private static func quantise(_ pixels: Data, _ tensor: Input) -> Data {
    guard tensor.scale != 0 else { return pixels }
    return Data(
      pixels.map { pixel in
        let value = Int((Float(pixel) / tensor.scale).rounded()) + tensor.zero_point
        return UInt8(truncatingIfNeeded: value)  // an int8 has the same low 8 bits
      })
  }

  /// What the numbers of an output stand for.
  private static func dequantise(_ data: Data, _ tensor: Output) -> [Float] {
    guard tensor.type == "float32" else {
      return data.map { value in
        tensor.scale == 0 ? Float(value) : Float(Int(value) - tensor.zero_point) * tensor.scale
      }
    }
    return data.withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }

  // As golden.json names them.
  private struct Golden: Decodable {
    let signature: String
    let inputs: [String]
    let files: [File]
  }

  private struct File: Decodable {
    let file: String
    let sha256: String
    let input: Input
    let outputs: [Output]
  }

  private struct Input: Decodable {
    let name: String
    let scale: Float
    let zero_point: Int
  }

  private struct Output: Decodable {
    let name: String
    let type: String
    let scale: Float
    let zero_point: Int
    let tolerance: Float
    let expected: [[Float]]
  }
}
