// The function called where it is: JSON in, run(), JSON out, in this process. What everything else is added
// to. A LatencyLoad with a program instead of a URL in the first argument, a LatencyResult on stdout.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { LatencyLoad, LatencyResult } from './latency.js'
import { LatencyHistogram } from './latency-histogram.js'

const CALLS_A_TURN = 1000

const load = JSON.parse(process.argv[2]!) as LatencyLoad
const { default: definition } = await import(pathToFileURL(load.url).href)
const latency = new LatencyHistogram()
const errors = { 'wrong body': 0 }
let right = 0

const startMs = performance.now()
const endMs = startMs + load.seconds * 1000
while (performance.now() < endMs) {
  for (let count = 0; count < CALLS_A_TURN; count += 1) {
    const fromMs = performance.now()
    const answer = JSON.stringify(await definition.run(JSON.parse(load.body)))
    latency.record(performance.now() - fromMs)
    if (answer === load.body) right += 1
    else errors['wrong body'] += 1
  }
  await nextTurn()
}
const result: LatencyResult = {
  count: right,
  seconds: (performance.now() - startMs) / 1000,
  errors,
  latency: latency.distribution,
  lateness: new LatencyHistogram().distribution,
}
console.log(JSON.stringify(result))
