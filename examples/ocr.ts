// Reads the text in a picture: PaddleOCR's detection and recognition models on onnxruntime.

import { defineFunction } from 'callgate'
import { decodeImage } from './paddle-ocr/decode-image.js'
import { Reader } from './paddle-ocr/reader.js'

export default defineFunction({
  maxInputs: 2, // the next picture is decoded while the models work on this one
  maxBodyBytes: 20 * 1024 * 1024,
  load: () => Reader.open(),
  run: async (input, { model, signal }) => {
    const startedMs = performance.now()
    const image = await decodeImage(input)
    const decodeMs = Math.round(performance.now() - startedMs)
    const { lines, detectMs, recogniseMs } = await model.read(image, signal)
    return {
      lines,
      image: { width: image.width, height: image.height },
      timings: { decodeMs, detectMs, recogniseMs },
    }
  },
})
