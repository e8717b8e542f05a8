// What a line says: the recognition model, and which way up to show it the line.

import { type InferenceSession, Tensor } from 'onnxruntime-node'
import { cropLine } from './crop-line.js'
import { type DecodedText, decodeCtc } from './decode-ctc.js'
import type { Pixels } from './decode-image.js'
import { type Quad, sizeOf } from './quad.js'

/** A box this much taller than wide holds a single letter, or a line that runs downwards. */
const TALL_RATIO = 1.5

export class LineRecogniser {
  readonly #model: InferenceSession
  readonly #alphabet: readonly string[]

  /** `alphabet`: the text of each of the model's classes, the blank first. */
  constructor(model: InferenceSession, alphabet: readonly string[]) {
    this.#model = model
    this.#alphabet = alphabet
  }

  async recognise(picture: Pixels, box: Quad): Promise<DecodedText> {
    const upright = await this.#read(picture, box)
    const { width, height } = sizeOf(box)
    if (height < width * TALL_RATIO) return upright
    const [topLeft, topRight, bottomRight, bottomLeft] = box
    const downwards = await this.#read(picture, [topRight, bottomRight, bottomLeft, topLeft])
    return downwards.confidence > upright.confidence ? downwards : upright
  }

  async #read(picture: Pixels, box: Quad): Promise<DecodedText> {
    const { planes, width, height } = cropLine(picture, box)
    const input = new Tensor('float32', planes, [1, 3, height, width])
    const output = await this.#model.run({ [this.#model.inputNames[0]!]: input })
    const probabilities = output[this.#model.outputNames[0]!]!
    return decodeCtc(probabilities.data as Float32Array, this.#alphabet)
  }
}
