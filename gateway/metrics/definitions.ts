// The metrics of a gateway: their names, and where each is read when somebody asks. Names and units are those
// that Prometheus recommends; the words are those of /fleet.

import type { FleetStatus } from '../fleet-status.js'
import type { CallMetrics, FunctionMetrics, ResponseCounts } from './call-metrics.js'
import type { Histogram } from './histogram.js'

/** A gateway at one moment. */
export interface Snapshot {
  readonly version: string
  readonly isReady: boolean
  readonly isConnected: boolean
  readonly creditBytes: number
  readonly freeCreditBytes: number
  readonly fleet: FleetStatus
  readonly calls: CallMetrics
}

export type Labels = Readonly<Record<string, string | number>>

export interface Sample {
  readonly labels?: Labels
  readonly value: number
  /** Of a part of a histogram; the metric's own name otherwise. */
  readonly metricName?: string
}

export interface MetricDefinition {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly read: (snapshot: Snapshot) => Iterable<Sample>
}

type FunctionStatus = FleetStatus['functions'][number]

export const METRICS: readonly MetricDefinition[] = [
  {
    name: 'callgate_build_info',
    type: 'gauge',
    help: 'Always 1; the label says which version this is.',
    read: ({ version }) => [{ labels: { version }, value: 1 }],
  },
  {
    name: 'callgate_ready',
    type: 'gauge',
    help: '1 when calls can be served, as /readyz says it.',
    read: ({ isReady }) => [{ value: Number(isReady) }],
  },
  {
    name: 'callgate_nats_connected',
    type: 'gauge',
    help: '1 while there is a connection to NATS.',
    read: ({ isConnected }) => [{ value: Number(isConnected) }],
  },
  {
    name: 'callgate_credit_bytes',
    type: 'gauge',
    help: 'Memory for bodies in flight that this gateway lends, CALLGATE_CREDIT_BYTES.',
    read: ({ creditBytes }) => [{ value: creditBytes }],
  },
  {
    name: 'callgate_credit_free_bytes',
    type: 'gauge',
    help: 'What of it is not lent; below 0 where every body has no more than its least.',
    read: ({ freeCreditBytes }) => [{ value: freeCreditBytes }],
  },

  // ---- what /fleet says ------------------------------------------------------------------------------
  {
    name: 'callgate_calls_started_total',
    type: 'counter',
    help: 'Calls that were sent to a runner, or left by their client while they waited.',
    read: byFunction(({ counters }) => counters.started),
  },
  {
    name: 'callgate_calls_total',
    type: 'counter',
    help: 'Calls that have ended, by how; rejected ones were never started.',
    read: ({ fleet }) =>
      fleet.functions.flatMap(({ name, counters }) => [
        outcome(name, 'succeeded', counters.succeeded),
        outcome(name, 'failed', counters.failed),
        outcome(name, 'cancelled', counters.cancelled),
        outcome(name, 'timed_out', counters.timedOut),
        outcome(name, 'rejected', counters.rejected),
      ]),
  },
  {
    name: 'callgate_calls_retried_total',
    type: 'counter',
    help: 'Times that a call was tried again because its runner was lost.',
    read: byFunction(({ counters }) => counters.retried),
  },
  {
    name: 'callgate_calls_in_flight',
    type: 'gauge',
    help: 'Calls of this gateway that hold a slot.',
    read: byFunction(({ counters }) => counters.inFlight),
  },
  {
    name: 'callgate_calls_queued',
    type: 'gauge',
    help: 'Calls that wait in this gateway for a slot.',
    read: byFunction(({ queued }) => queued),
  },
  {
    name: 'callgate_slots',
    type: 'gauge',
    help: 'Slots that calls can have, in use or not: of ready runners whose version has calls.',
    read: byFunction(({ slots }) => slots),
  },
  {
    name: 'callgate_slots_free',
    type: 'gauge',
    help: 'Slots that a call could have now.',
    read: byFunction(({ freeSlots }) => freeSlots),
  },
  {
    name: 'callgate_version_slots',
    type: 'gauge',
    help: 'Slots of ready runners by version, whether it has calls or not.',
    read: ({ fleet }) =>
      fleet.functions.flatMap(({ name, slotsByVersion }) =>
        Object.entries(slotsByVersion).map(([version, value]) => ({
          labels: { function: name, version },
          value,
        })),
      ),
  },
  {
    name: 'callgate_runners',
    type: 'gauge',
    help: 'Runners that this gateway knows, by their state.',
    read: ({ fleet }) => fleet.functions.flatMap(runnersByState),
  },
  {
    name: 'callgate_load_failed',
    type: 'gauge',
    help: '1 when the last load of the function has failed and no runner is ready since.',
    read: byFunction(({ loadFailure }) => Number(loadFailure !== null)),
  },

  // ---- calls that have ended --------------------------------------------------------------------------
  {
    name: 'callgate_http_responses_total',
    type: 'counter',
    help: 'Answers by status and, of an error of the list, its code; without a function: none was found.',
    read: ofCalls(({ responses }) => counted(responses)),
  },
  {
    name: 'callgate_http_duration_seconds',
    type: 'histogram',
    help: 'From the head of a request to the end of its answer, of calls that went well.',
    read: ofCalls(({ durationMs }) => buckets('callgate_http_duration_seconds', durationMs)),
  },
  {
    name: 'callgate_http_first_byte_seconds',
    type: 'histogram',
    help: 'From the head of a request to the head of its answer, of answers that a function has begun.',
    read: ofCalls(({ firstByteMs }) => buckets('callgate_http_first_byte_seconds', firstByteMs)),
  },
  {
    name: 'callgate_http_request_bytes_total',
    type: 'counter',
    help: 'Bytes of the bodies of requests.',
    read: ofCalls(({ requestBytes }) => [{ value: requestBytes }]),
  },
  {
    name: 'callgate_http_response_bytes_total',
    type: 'counter',
    help: 'Bytes of the bodies of answers.',
    read: ofCalls(({ responseBytes }) => [{ value: responseBytes }]),
  },
  {
    name: 'callgate_websockets_open',
    type: 'gauge',
    help: 'WebSockets that are open.',
    read: ofCalls(({ openSockets }) => [{ value: openSockets }]),
  },
  {
    name: 'callgate_websockets_total',
    type: 'counter',
    help: 'WebSockets that have ended, or were refused with this status.',
    read: ofCalls(({ sockets }) => counted(sockets)),
  },
]

function byFunction(read: (status: FunctionStatus) => number): MetricDefinition['read'] {
  return ({ fleet }) =>
    fleet.functions.map((status) => ({
      labels: { function: status.name },
      value: read(status),
    }))
}

function outcome(functionName: string, outcome: string, value: number): Sample {
  return { labels: { function: functionName, outcome }, value }
}

function runnersByState({ name, runners }: FunctionStatus): Sample[] {
  const counts = new Map<string, { labels: Labels; value: number }>()
  for (const { version, state } of runners) {
    const key = `${version} ${state}`
    const sample = counts.get(key) ?? { labels: { function: name, version, state }, value: 0 }
    sample.value++
    counts.set(key, sample)
  }
  return [...counts.values()]
}

/** The same for every function that was called, with its name beside the other labels. */
function ofCalls(read: (metrics: FunctionMetrics) => Iterable<Sample>): MetricDefinition['read'] {
  return function* ({ calls }) {
    for (const [functionName, metrics] of calls.byFunction) {
      for (const sample of read(metrics)) {
        yield { ...sample, labels: { function: functionName, ...sample.labels } }
      }
    }
  }
}

function* counted(counts: ResponseCounts): Iterable<Sample> {
  for (const { status, code, count } of counts.entries()) {
    yield { labels: { status, code }, value: count }
  }
}

/** Milliseconds become seconds. Nothing where nothing was counted. */
function* buckets(name: string, histogram: Histogram): Iterable<Sample> {
  const counts = histogram.cumulativeCounts
  if (counts.at(-1) === 0) return
  const metricName = `${name}_bucket`
  for (const [index, boundMs] of histogram.bounds.entries()) {
    yield { metricName, labels: { le: boundMs / 1_000 }, value: counts[index]! }
  }
  const total = counts.at(-1)!
  yield { metricName, labels: { le: '+Inf' }, value: total }
  yield { metricName: `${name}_sum`, value: histogram.sum / 1_000 }
  yield { metricName: `${name}_count`, value: total }
}
