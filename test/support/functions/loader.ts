// Loads as the file that TEST_LOAD names says at the moment: `throw`, `hang`, `block`, `die`; `wait`, until
// it says otherwise; or at once. Writes into the file that it was told to stop.

import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { defineFunction } from '../../../runner/define-function.js'

const file = process.env.TEST_LOAD!
const order = () => readFileSync(file, 'utf8')

export default defineFunction({
  name: process.env.TEST_NAME ?? 'loader',
  auth: 'public',
  maxInputs: 10,
  loadTimeoutMs: Number(process.env.TEST_LOAD_TIMEOUT_MS ?? 60_000),
  load: async ({ signal }) => {
    signal.addEventListener('abort', () => writeFileSync(file, 'told to stop'))
    while (order() === 'wait') await setTimeout(10)
    if (order() === 'throw') throw new Error('weights.onnx is a secret')
    if (order() === 'hang') await new Promise(() => {})
    if (order() === 'die') process.exit(3)
    const number = new Int32Array(new SharedArrayBuffer(4))
    while (order() === 'block') Atomics.wait(number, 0, 0, 10)
    return 'model'
  },
  run: (_input, { model }) => ({ model, pid: process.pid }),
})
