// The process that autocannon runs in: a Load in its first argument, a LoadResult on stdout.
// Latencies go into a histogram of our own, because autocannon's counts whole milliseconds.

import { createHistogram } from 'node:perf_hooks'
import autocannon from 'autocannon'
import { Counter } from './counter.js'
import { latencyCurve } from './latency-curve.js'
import { CALL_TIMEOUT_MS, type Load, type LoadResult } from './load.js'

// autocannon looks at its clock this often; its default of a second would lengthen short rounds.
const SAMPLE_MS = 100

const load = JSON.parse(process.argv[2]!) as Load
const latencyUs = createHistogram()
const right = new Counter()
const result = await new Promise<autocannon.Result>((resolve, reject) => {
  const options: autocannon.Options = {
    url: load.url,
    method: 'POST',
    headers: load.headers,
    body: load.body,
    verifyBody: (body) => isRight(String(body)),
    ...(load.paths ? { requests: load.paths.map((path) => ({ path })) } : {}),
    connections: load.connections,
    pipelining: load.pipelining,
    duration: load.seconds,
    timeout: CALL_TIMEOUT_MS / 1000,
    sampleInt: SAMPLE_MS,
  }
  const run = autocannon(options, (error, outcome) => (error ? reject(error) : resolve(outcome)))
  run.on('response', (_client, status, _bytes, latencyMs) => {
    if (status < 300) right.add()
    latencyUs.record(Math.max(1, Math.round(latencyMs * 1000)))
  })
})
const answered = result['2xx'] + result.non2xx
const stillOpen = load.connections * load.pipelining
const report: LoadResult = {
  count: result['2xx'],
  seconds: result.duration,
  p50Ms: latencyUs.percentile(50) / 1000,
  p99Ms: latencyUs.percentile(99) / 1000,
  latency: latencyCurve(latencyUs),
  counts: right.counts,
  errors: {
    'not 2xx': result.non2xx,
    'wrong body': result.mismatches,
    'no answer in time': result.errors,
    // autocannon connects again without a word when the server closes a connection under a call.
    'connection closed': Math.max(0, result.requests.sent - answered - result.errors - stillOpen),
  },
}
console.log(JSON.stringify(report))

function isRight(answer: string): boolean {
  return load.answerPart === undefined ? answer === load.body : answer.includes(load.answerPart)
}
