// What /fleet answers: functions with their routes, runners, slots, queue and counters.

import type { Manifest } from '../shared/manifest.js'
import type { Dispatcher, FunctionStatus } from './dispatch/dispatcher.js'

export interface FleetStatus {
  readonly gateway: string
  readonly functions: readonly (FunctionStatus & {
    /** False for a function that has runners or was called, but is not in the registry. */
    readonly isRegistered: boolean
    readonly routes: readonly string[]
    readonly slots: number
    readonly freeSlots: number
  })[]
}

export function fleetStatus(
  manifests: ReadonlyMap<string, Manifest>,
  dispatcher: Dispatcher,
): FleetStatus {
  const names = new Set([...manifests.keys(), ...dispatcher.functionNames])
  return {
    gateway: dispatcher.callerId,
    functions: [...names].sort().map((name) => {
      const status = dispatcher.status(name)
      const ready = status.runners.filter((runner) => runner.state === 'ready')
      const slots = ready.reduce((sum, runner) => sum + runner.slots, 0)
      const busy = ready.reduce((sum, runner) => sum + runner.inFlight + runner.othersBusy, 0)
      return {
        ...status,
        isRegistered: manifests.has(name),
        routes: manifests.get(name)?.routes ?? [],
        slots,
        freeSlots: Math.max(0, slots - busy),
      }
    }),
  }
}
