// What a gateway says of its functions and runners, on its admin port.

export interface Fleet {
  readonly functions: readonly FleetFunction[]
}

export interface FleetFunction {
  readonly name: string
  readonly queued: number
  readonly slots: number
  readonly freeSlots: number
  readonly counters: Readonly<Record<CounterName, number>>
  readonly runners: readonly FleetRunner[]
}

type CounterName =
  | 'started'
  | 'succeeded'
  | 'failed'
  | 'cancelled'
  | 'timedOut'
  | 'rejected'
  | 'retried'
  | 'inFlight'

export interface FleetRunner {
  readonly id: string
  readonly pid: number
  readonly state: 'ready' | 'draining' | 'gone' | 'silent'
  readonly slots: number
  readonly inFlight: number
  readonly startedAt: string
}

const PATIENCE_MS = 5_000

export async function readFleet(adminUrl: string): Promise<Fleet> {
  const response = await fetch(new URL('/fleet', adminUrl), {
    signal: AbortSignal.timeout(PATIENCE_MS),
  })
  return (await response.json()) as Fleet
}

export function readyRunners(fleet: Fleet, functionName: string): FleetRunner[] {
  const { runners = [] } = fleet.functions.find(({ name }) => name === functionName) ?? {}
  return runners.filter(({ state }) => state === 'ready')
}

/** What is not at rest in this function when nobody calls it any more; empty if all is. */
export function unrest({ name, counters, queued, slots, freeSlots }: FleetFunction): string[] {
  const { started, succeeded, failed, cancelled, timedOut, inFlight } = counters
  const ended = succeeded + failed + cancelled + timedOut
  const faults: string[] = []
  if (started !== ended) faults.push(`${name}: ${started} started, ${ended} ended`)
  if (inFlight !== 0) faults.push(`${name}: ${inFlight} in flight`)
  if (queued !== 0) faults.push(`${name}: ${queued} queued`)
  if (freeSlots !== slots) faults.push(`${name}: ${freeSlots} of ${slots} slots free`)
  return faults
}
