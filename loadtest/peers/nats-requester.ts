// The near end: one nc.request() after the other on each of a LatencyLoad's connections, which are all this
// process' one; ends with a LatencyResult. No HTTP, no frames.

import { connect } from '@nats-io/transport-node'
import type { LatencyLoad, LatencyResult } from '../generators/latency.js'
import { LatencyHistogram } from '../generators/latency-histogram.js'
import { CALL_TIMEOUT_MS } from '../generators/load.js'
import { SUBJECT } from './nats-request.js'

const load = JSON.parse(process.argv[2]!) as LatencyLoad
const connection = await connect({ servers: load.url })
const body = Buffer.from(load.body)
const latency = new LatencyHistogram()
const errors = { 'wrong body': 0, 'no answer': 0 }
let right = 0

const startMs = performance.now()
const endMs = startMs + load.seconds * 1000
await Promise.all(Array.from({ length: load.connections }, callUntilEnd))
const result: LatencyResult = {
  count: right,
  seconds: (performance.now() - startMs) / 1000,
  errors,
  latency: latency.distribution,
  lateness: new LatencyHistogram().distribution,
}
console.log(JSON.stringify(result))
await connection.close()

async function callUntilEnd(): Promise<void> {
  for (let fromMs = performance.now(); fromMs < endMs; fromMs = performance.now()) {
    try {
      const answer = await connection.request(SUBJECT, body, { timeout: CALL_TIMEOUT_MS })
      latency.record(performance.now() - fromMs)
      if (body.equals(answer.data)) right += 1
      else errors['wrong body'] += 1
    } catch {
      errors['no answer'] += 1
    }
  }
}
