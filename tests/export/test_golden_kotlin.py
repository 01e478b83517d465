"""The Kotlin checker, compiled and run on a JVM over LiteRT's interpreter.

Stand-ins take the place of Android's classes; that for LiteRT's Interpreter passes each call on to
Python, where the interpreter of ai-edge-litert answers. A JDK is needed, and Kotlin's compiler in a
folder of jars that the environment variable KFER_KOTLIN names, such as `lib` of a Kotlin release, or

    pip download --no-deps kotlin-jupyter-kernel && unzip kotlin_jupyter_kernel-*.whl -d kotlin
    KFER_KOTLIN=kotlin/run_kotlin_kernel/jars pytest -m slow tests/export/test_golden_kotlin.py
"""

import json
import math
import os
import shutil
import socketserver
import subprocess
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from kfer import export

pytestmark = pytest.mark.slow
SOURCE = Path(export.__file__).parent / "checkers" / "GoldenCheck.kt"
VARIANTS = ("float32", "int8", "int8_io")
COMPILER = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"
#: Of the real classes, what the checker uses; and a program.
SOURCES = {
    "Assets.kt": """
package android.content.res
class AssetManager(private val folder: String) {
    fun open(name: String): java.io.InputStream = java.io.File(folder, name).inputStream()
}
""",
    # In Java, for Kotlin takes Java's types of maps otherwise than its own.
    "Interpreter.java": """
package org.tensorflow.lite;
import java.nio.ByteBuffer;
import java.util.Map;
public final class Interpreter implements AutoCloseable {
  public static class Options { public Options() {} }
  private final Connection connection;
  public Interpreter(ByteBuffer model, Options options) { connection = new Connection(model); }
  public void runSignature(Map<String, Object> inputs, Map<String, Object> outputs, String key) {
    connection.run(inputs, outputs, key);
  }
  @Override public void close() { connection.close(); }
}
""",
    # As in LiteRT, inputs are as large as their tensors and read from their start; outputs are at least
    # as large and written from where they stand.
    "Connection.kt": """
package org.tensorflow.lite
import java.nio.ByteBuffer
class Connection(model: ByteBuffer) {
    private val socket = java.net.Socket("127.0.0.1", Integer.getInteger("port"))
    private val said = java.io.DataInputStream(socket.getInputStream())
    private val given = java.io.DataOutputStream(socket.getOutputStream().buffered())
    init {
        socket.soTimeout = 60_000
        give(content(model))
        takeError()
    }
    fun run(inputs: Map<String, Any>, outputs: Map<String, Any>, key: String) {
        give((listOf(key) + inputs.keys.single() + outputs.keys).joinToString(" ").toByteArray())
        give(content(inputs.values.single() as ByteBuffer))
        takeError()
        for (buffer in outputs.values) {
            val values = take()
            require(values.size <= (buffer as ByteBuffer).capacity()) { "output of ${values.size} bytes" }
            buffer.put(values)
        }
    }
    fun close() = socket.close()
    private fun content(buffer: ByteBuffer): ByteArray {
        require(buffer.isDirect && buffer.order() == java.nio.ByteOrder.nativeOrder()) { "buffer's kind" }
        return ByteArray(buffer.capacity()).also { buffer.duplicate().rewind().get(it) }
    }
    private fun give(bytes: ByteArray) {
        given.writeInt(bytes.size)
        given.write(bytes)
    }
    private fun take() = ByteArray(said.readInt()).also { said.readFully(it) }
    private fun takeError() {
        given.flush()
        val error = String(take())
        require(error.isEmpty()) { error }
    }
}
""",
    # Reads valid JSON whose strings have no quotes and no escapes.
    "Json.kt": r"""
package org.json
class JSONException(message: String) : Exception(message)
private val TOKEN = Regex("\"[^\"]*\"|[\\[\\]{}]|[^\\s\\[\\]{},:\"]+")
private fun read(tokens: ArrayDeque<String>): Any = when (val token = tokens.removeFirst()) {
    "{" -> JSONObject(buildMap {
        while (tokens.first() != "}") put(tokens.removeFirst().trim('"'), read(tokens))
        tokens.removeFirst()
    })
    "[" -> JSONArray(buildList {
        while (tokens.first() != "]") add(read(tokens))
        tokens.removeFirst()
    })
    else -> if (token.startsWith('"')) token.trim('"') else token.toDouble()
}
open class Values<Key>(private val find: (Key) -> Any?) {
    private inline fun <reified T> get(key: Key) = find(key) as? T ?: throw JSONException("$key")
    fun getString(key: Key): String = get(key)
    fun getDouble(key: Key): Double = get(key)
    fun getInt(key: Key) = getDouble(key).toInt()
    fun getJSONArray(key: Key): JSONArray = get(key)
    fun getJSONObject(key: Key): JSONObject = get(key)
}
class JSONObject(private val values: Map<String, Any>) : Values<String>(values::get) {
    constructor(text: String) :
        this((read(TOKEN.findAll(text).mapTo(ArrayDeque()) { it.value }) as JSONObject).values)
}
class JSONArray(private val values: List<Any>) : Values<Int>(values::getOrNull) {
    fun length() = values.size
}
""",
    "Main.kt": """
fun main(arguments: Array<String>) {
    val verdicts = GoldenCheck.run(android.content.res.AssetManager(arguments[0]), arguments[1])
    verdicts.forEach { println(it) }
    println(if (verdicts.all { it.passed }) "all pass" else "NOT all pass")
}
""",
}


class Handler(socketserver.StreamRequestHandler):
    """An interpreter of the JVM's."""

    def take(self):
        return self.rfile.read(int.from_bytes(self.rfile.read(4)))

    def give(self, content):
        self.wfile.write(len(content).to_bytes(4) + content)

    def handle(self):
        interpreter = Interpreter(model_content=self.take())
        self.give(b"")
        while words := self.take().decode().split():
            try:
                answers = [b"", *self.run(interpreter, *words)]
            except (KeyError, ValueError) as error:
                answers = [repr(error).encode()]
            for answer in answers:
                self.give(answer)

    def run(self, interpreter, key, name, *outputs):
        pixels = self.take()
        runner = interpreter.get_signature_runner(key)
        taken = runner.get_input_details()[name]
        said = runner(**{name: np.frombuffer(pixels, taken["dtype"]).reshape(taken["shape"])})
        return [said[output].tobytes() for output in outputs]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Runs the checker on assets/model of a folder; what it printed."""
    if shutil.which("java") is None or shutil.which("javac") is None:
        pytest.skip("a JDK's java and javac are needed, and not both are here")
    kotlin = Path(os.environ.get("KFER_KOTLIN") or os.devnull).absolute()
    member = COMPILER.replace(".", "/") + ".class"
    if not any(member in zipfile.ZipFile(jar).namelist() for jar in kotlin.glob("*.jar")):
        pytest.skip("KFER_KOTLIN does not name a folder of jars with Kotlin's compiler")
    folder = tmp_path_factory.mktemp("kotlin")
    (folder / "classes").mkdir()
    for name, text in SOURCES.items():
        (folder / name).write_text(text)
    path = os.pathsep.join(["classes", *map(str, kotlin.glob("kotlin-stdlib*.jar"))])
    options = ["-Werror", "-no-stdlib", "-no-reflect", "-cp", path, "-d", "classes"]
    for command in (
        ["java", "-cp", f"{kotlin}/*", COMPILER, *options, str(SOURCE), *SOURCES],
        ["javac", "-cp", path, "-d", "classes", "Interpreter.java"],
    ):
        subprocess.run(command, check=True, cwd=folder, timeout=300)

    def run(assets):
        with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            port = f"-Dport={server.server_address[1]}"
            command = ["java", "-cp", path, port, "MainKt", str(assets), "model"]
            process = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)
            server.shutdown()
        assert process.returncode == 0, process.stderr
        return process.stdout

    return run


@pytest.fixture(scope="module")
def golden(colour, tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    colour.write_golden(folder, VARIANTS)
    return folder


@pytest.fixture
def assets(golden, tmp_path):
    shutil.copytree(golden, tmp_path / "model")
    return tmp_path


def change(assets, change_files):
    path = assets / "model" / "golden" / "golden.json"
    content = json.loads(path.read_text())
    change_files(content["files"])
    path.write_text(json.dumps(content))


def test_every_output_passes(program, assets):
    *lines, last = program(assets).splitlines()
    assert last == "all pass"
    assert [line.split(":")[0] for line in lines] == [
        f"PASS {variant}.tflite {output}"
        for variant in VARIANTS
        for output in ("embedding", "expression")
    ]
    for line in lines[2:]:
        assert ": largest difference 0.0, tolerance 0.0" in line


def test_another_number_and_another_file_fail(program, assets):
    def move(files):
        files[0]["outputs"][1]["expected"][2][1] += 0.01

    change(assets, move)
    path = assets / "model" / "int8.tflite"
    path.write_bytes(path.read_bytes() + b"\0")
    lines = program(assets).splitlines()
    assert lines[0].startswith("PASS float32.tflite embedding")
    assert lines[1].startswith("FAIL float32.tflite expression: largest difference 0.01")
    assert lines[2].startswith("FAIL int8.tflite ")
    assert lines[2].endswith(": is another file than the vectors are of (SHA-256)")
    assert [line[:20] for line in lines[3:]] == 2 * ["PASS int8_io.tflite "] + ["NOT all pass"]


def test_what_is_not_a_number_fails(program, assets):
    def spoil(files):
        files[0]["outputs"][0]["expected"][0][0] = math.nan

    change(assets, spoil)
    said = program(assets)
    assert said.startswith("FAIL float32.tflite embedding: largest difference NaN, tolerance")
    assert said.count("PASS") == 5


def test_what_the_interpreter_refuses_fails(program, assets):
    def mistake(files):
        files[0]["outputs"][1]["name"] = "other"
        files[1]["input"]["name"] = "other"
        files[2]["outputs"][0]["shape"] = [1, 1]

    change(assets, mistake)
    refused = "java.lang.IllegalArgumentException"
    assert program(assets).splitlines() == [
        f"FAIL float32.tflite {refused}: KeyError('other')",
        f"FAIL int8.tflite {refused}: KeyError('other')",
        f"FAIL int8_io.tflite {refused}: output of 32 bytes",
        "NOT all pass",
    ]
