// What Prometheus reads of a gateway that has served calls of every kind.

import { once } from 'node:events'
import t from 'tap'
import { WebSocket } from 'ws'
import { defineFunction } from '../../runner/define-function.js'
import { parseMetrics } from '../support/metrics.js'
import { System } from '../support/system.js'

t.test('calls are counted by function, status and code, and their times', async (t) => {
  const system = await System.start(t)
  await system.serveExamples('echo', 'tokens', 'fail')
  await (await system.post('/echo', { message: 'hello' })).arrayBuffer()
  await (await system.post('/echo', 'x'.repeat(1_000))).arrayBuffer()
  const streamed = await system.post('/tokens', { count: 3, intervalMs: 20 })
  const tokens = await streamed.text()
  t.equal((await system.post('/fail', {})).status, 500)
  t.equal((await system.post('/nowhere', {})).status, 404)
  t.equal((await fetch(`${system.url}/echo`, { method: 'POST' })).status, 401)
  await system.atRest()

  const { response, series } = await scrape(system)
  t.equal(response.status, 200)
  t.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
  const value = (key: string) => series.get(key) ?? null

  t.equal(value('callgate_http_responses_total{code="",function="echo",status="200"}'), 2)
  t.equal(
    value('callgate_http_responses_total{code="unauthenticated",function="echo",status="401"}'),
    1,
  )
  t.equal(value('callgate_http_responses_total{code="not_found",function="",status="404"}'), 1)
  t.equal(
    value('callgate_http_responses_total{code="function_failed",function="fail",status="500"}'),
    1,
  )
  t.equal(value('callgate_http_request_bytes_total{function="echo"}'), 19 + 1_002)
  t.equal(value('callgate_http_response_bytes_total{function="tokens"}'), tokens.length)

  t.equal(value('callgate_http_duration_seconds_count{function="echo"}'), 2, 'not the 401')
  t.equal(value('callgate_http_duration_seconds_bucket{function="echo",le="+Inf"}'), 2)
  t.equal(value('callgate_http_duration_seconds_count{function="fail"}'), null)
  const duration = value('callgate_http_duration_seconds_sum{function="tokens"}')!
  const firstByte = value('callgate_http_first_byte_seconds_sum{function="tokens"}')!
  t.ok(duration >= 0.04, `${duration} s for three tokens, 20 ms apart`)
  t.ok(firstByte > 0 && firstByte <= duration - 0.03, `${firstByte} s to the first byte`)

  t.equal(value('callgate_calls_total{function="echo",outcome="succeeded"}'), 2)
  t.equal(value('callgate_calls_total{function="fail",outcome="failed"}'), 1)
  t.equal(value('callgate_calls_started_total{function="echo"}'), 2)
  t.equal(value('callgate_calls_in_flight{function="echo"}'), 0)
  t.equal(value('callgate_runners{function="echo",state="ready",version="main"}'), 1)
  const slots = value('callgate_slots{function="echo"}')
  t.ok(slots! > 0)
  t.equal(value('callgate_slots_free{function="echo"}'), slots)
  t.equal(value('callgate_version_slots{function="echo",version="main"}'), slots)
  t.equal(value('callgate_ready'), 1)
  t.equal(value('callgate_nats_connected'), 1)
  t.equal(value('callgate_credit_free_bytes'), value('callgate_credit_bytes'))
  t.ok(value('process_resident_memory_bytes')! > 0, 'and the process')
  t.equal(value('process_open_fds'), null, 'but nothing that takes longer with every client')
})

t.test('buckets grow, and the last one has all', async (t) => {
  const system = await System.start(t)
  await system.serveExamples('sleep')
  for (const ms of [0, 30, 120]) await (await system.post('/sleep', { ms })).arrayBuffer()
  const { series } = await scrape(system)
  const counts = [...series]
    .filter(([key]) => key.startsWith('callgate_http_duration_seconds_bucket{'))
    .map(([key, count]) => [Number(/le="(.*?)"/.exec(key)![1]!.replace('+Inf', 'Infinity')), count])
  t.ok(counts.length > 10)
  for (const [index, [bound, count]] of counts.entries()) {
    if (index > 0) t.ok(count! >= counts[index - 1]![1]!, `${count} values up to ${bound} s`)
  }
  const upTo = (bound: number) => counts.find(([each]) => each === bound)![1]!
  t.ok(upTo(0.025) <= 1)
  t.ok(upTo(0.1) <= 2)
  t.equal(upTo(Number.POSITIVE_INFINITY), 3)
})

t.test('WebSockets: how many are open, and how they ended', async (t) => {
  const system = await System.start(t)
  await system.serveExamples('chat')
  const url = `${system.url.replace('http', 'ws')}/chat`
  const headers = { authorization: await system.authorization() }
  const sockets = [new WebSocket(url, { headers }), new WebSocket(url, { headers })]
  await Promise.all(sockets.map((socket) => once(socket, 'open')))
  const [refused] = await once(new WebSocket(url), 'unexpected-response')
  t.equal((await scrape(system)).series.get('callgate_websockets_open{function="chat"}'), 2)
  refused.destroy()

  const [first, second] = sockets as [WebSocket, WebSocket]
  first.close(1000)
  second.terminate()
  await system.atRest('chat')
  const { series } = await scrape(system)
  const ended = (code: string, status: number) =>
    series.get(`callgate_websockets_total{code="${code}",function="chat",status="${status}"}`)
  t.equal(series.get('callgate_websockets_open{function="chat"}'), 0)
  t.equal(ended('', 101), 1)
  t.equal(ended('cancelled', 101), 1)
  t.equal(ended('unauthenticated', 401), 1)
})

t.test('calls that wait are seen while they wait', async (t) => {
  const system = await System.start(t)
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const slow = defineFunction({ name: 'slow', route: 'POST /slow', maxInputs: 1, run: () => held })
  await system.serve(slow)
  const calls = [system.post('/slow', 1), system.post('/slow', 2), system.post('/slow', 3)]
  await system.until('slow', ({ queued, counters }) => queued === 2 && counters.inFlight === 1)
  const busy = (await scrape(system)).series
  t.equal(busy.get('callgate_calls_queued{function="slow"}'), 2)
  t.equal(busy.get('callgate_calls_in_flight{function="slow"}'), 1)
  t.equal(busy.get('callgate_slots_free{function="slow"}'), 0)
  release()
  for (const call of calls) await (await call).arrayBuffer()
  const after = (await scrape(system)).series
  t.equal(after.get('callgate_calls_total{function="slow",outcome="succeeded"}'), 3)
  t.equal(after.get('callgate_load_failed{function="slow"}'), 0)
})

async function scrape(
  system: System,
): Promise<{ response: Response; series: Map<string, number> }> {
  const response = await fetch(`${system.gateway.adminUrl}/metrics`)
  return { response, series: parseMetrics(await response.text()) }
}
