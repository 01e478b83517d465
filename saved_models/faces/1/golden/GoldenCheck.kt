// Checks .tflite files against golden vectors on an Android device.
//
// Where: src/androidTest/ or the app itself. Copy the model's folder into src/main/assets/model/, so
// that there are assets/model/float32.tflite, assets/model/golden/golden.json and so on.
// Dependency: implementation("com.google.ai.edge.litert:litert:1.4.0")
//
//   GoldenCheck.run(context.assets, "model").forEach { Log.i("golden", it.toString()) }
//
// For the GPU or another delegate, give Interpreter.Options with it.

import android.content.res.AssetManager
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest
import kotlin.math.abs
import kotlin.math.roundToInt
import org.json.JSONArray
import org.json.JSONObject
import org.tensorflow.lite.Interpreter

object GoldenCheck {
    /** What was found of an output of a file; `error` says why nothing was. */
    data class Verdict(
        val file: String,
        val output: String,
        val difference: Float,
        val tolerance: Float,
        val error: String? = null,
    ) {
        // Never true of "not a number".
        val passed get() = error == null && difference <= tolerance

        override fun toString(): String {
            val word = if (passed) "PASS" else "FAIL"
            val words = error ?: "$output: largest difference $difference, tolerance $tolerance"
            return "$word $file $words"
        }
    }

    /** Runs every file on every image; all have passed where each verdict has. */
    fun run(
        assets: AssetManager,
        folder: String,
        options: Interpreter.Options = Interpreter.Options(),
    ): List<Verdict> {
        fun read(path: String) = assets.open("$folder/$path").use { it.readBytes() }
        val golden = JSONObject(String(read("golden/golden.json"), Charsets.UTF_8))
        val images = golden.getJSONArray("inputs").let { names ->
            List(names.length()) { read("golden/" + names.getString(it)) }
        }
        return golden.getJSONArray("files").objects().flatMap { file ->
            val name = file.getString("file")
            try {
                val content = read(name)
                check(sha256(content) == file.getString("sha256")) {
                    "is another file than the vectors are of (SHA-256)"
                }
                compare(content, golden.getString("signature"), file, images, options)
            } catch (error: Exception) {
                listOf(Verdict(name, "", Float.NaN, 0f, error.toString()))
            }
        }
    }

    private fun compare(
        content: ByteArray,
        signature: String,
        file: JSONObject,
        images: List<ByteArray>,
        options: Interpreter.Options,
    ): List<Verdict> {
        val outputs = file.getJSONArray("outputs").objects()
        val input = file.getJSONObject("input")
        val largest = FloatArray(outputs.size)
        val model = buffer(content.size).apply { put(content).rewind() }
        Interpreter(model, options).use { interpreter ->
            images.forEachIndexed { image, pixels ->
                val said = outputs.associate { it.getString("name") to buffer(byteCount(it)) }
                val given = mapOf<String, Any>(input.getString("name") to quantise(pixels, input))
                interpreter.runSignature(given, said, signature)
                outputs.forEachIndexed { index, output ->
                    val found = dequantise(said.getValue(output.getString("name")), output)
                    val expected = output.getJSONArray("expected").getJSONArray(image)
                    check(found.size == expected.length()) { "has an output of another size" }
                    found.forEachIndexed { i, number ->
                        val difference = abs(number - expected.getDouble(i).toFloat())
                        // "Not a number" stays, whatever follows.
                        largest[index] = maxOf(largest[index], difference)
                    }
                }
            }
        }
        return outputs.mapIndexed { index, output ->
            val tolerance = output.getDouble("tolerance").toFloat()
            Verdict(file.getString("file"), output.getString("name"), largest[index], tolerance)
        }
    }

    /** Pixels as the file's input takes them. */
    private fun quantise(pixels: ByteArray, tensor: JSONObject): ByteBuffer {
        val (scale, zeroPoint) = step(tensor)
        val values = buffer(pixels.size)
        for (pixel in pixels) {
            val value = pixel.toInt() and 0xFF
            val taken = if (scale == 0f) value else (value / scale).roundToInt() + zeroPoint
            values.put(taken.toByte()) // an int8 has the same low 8 bits
        }
        return values.apply { rewind() }
    }

    /** What the numbers of an output stand for. */
    private fun dequantise(values: ByteBuffer, tensor: JSONObject): FloatArray {
        values.rewind()
        val (scale, zeroPoint) = step(tensor)
        val type = tensor.getString("type")
        if (type == "float32") return FloatArray(values.remaining() / 4) { values.getFloat() }
        return FloatArray(values.remaining()) {
            val value = values.get().toInt().let { if (type == "uint8") it and 0xFF else it }
            if (scale == 0f) value.toFloat() else (value - zeroPoint) * scale
        }
    }

    private fun step(tensor: JSONObject) =
        Pair(tensor.getDouble("scale").toFloat(), tensor.getInt("zero_point"))

    private fun byteCount(tensor: JSONObject): Int {
        val shape = tensor.getJSONArray("shape")
        val count = (0 until shape.length()).fold(1) { product, i -> product * shape.getInt(i) }
        return if (tensor.getString("type") == "float32") 4 * count else count
    }

    private fun buffer(bytes: Int) = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder())

    private fun sha256(content: ByteArray) =
        MessageDigest.getInstance("SHA-256").digest(content).joinToString("") { "%02x".format(it) }

    private fun JSONArray.objects() = List(length()) { getJSONObject(it) }
}
