// Where the lines of text are: the detection model, and what it wants its picture to look like.

import { type InferenceSession, Tensor } from 'onnxruntime-node'
import type { Pixels } from './decode-image.js'
import type { Quad } from './quad.js'
import { textBoxes } from './text-boxes.js'

// ImageNet's means and deviations, laid on blue, green, red in this order as in training.
const MEAN = [0.485, 0.456, 0.406] as const
const DEVIATION = [0.229, 0.224, 0.225] as const

/** Boxes in pixels of `picture`, whose sides must be multiples of 32. */
export async function detectLines(model: InferenceSession, picture: Pixels): Promise<Quad[]> {
  const { width, height } = picture
  const input = new Tensor('float32', normalise(picture), [1, 3, height, width])
  const output = await model.run({ [model.inputNames[0]!]: input })
  const map = output[model.outputNames[0]!]!
  return textBoxes({ values: map.data as Float32Array, width, height })
}

function normalise({ rgb, width, height }: Pixels): Float32Array {
  const area = width * height
  const planes = new Float32Array(3 * area)
  for (let plane = 0; plane < 3; plane++) {
    const scale = 1 / (255 * DEVIATION[plane]!)
    const offset = MEAN[plane]! / DEVIATION[plane]!
    for (let i = 0; i < area; i++) {
      planes[plane * area + i] = rgb[3 * i + 2 - plane]! * scale - offset
    }
  }
  return planes
}
