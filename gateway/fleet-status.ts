// What /fleet answers: functions with their routes, runners, slots, queue and counters.

import type { Deployment } from '../shared/deployment.js'
import type { Dispatcher, FunctionStatus } from './dispatch/dispatcher.js'

export interface FleetStatus {
  readonly gateway: string
  readonly functions: readonly (FunctionStatus & {
    /** False for a function that has runners or was called, but is not in the registry. */
    readonly isRegistered: boolean
    readonly routes: readonly string[]
    /** In the registry. */
    readonly versions: readonly string[]
    readonly slots: number
    readonly freeSlots: number
  })[]
}

export function fleetStatus(
  deployments: ReadonlyMap<string, Deployment>,
  dispatcher: Dispatcher,
): FleetStatus {
  const names = new Set([...deployments.keys(), ...dispatcher.functionNames])
  return {
    gateway: dispatcher.callerId,
    functions: [...names].sort().map((name) => {
      const status = dispatcher.status(name)
      const ready = status.runners.filter((runner) => runner.state === 'ready')
      const slots = ready.reduce((sum, runner) => sum + runner.slots, 0)
      const busy = ready.reduce((sum, runner) => sum + runner.inFlight + runner.othersBusy, 0)
      return {
        ...status,
        isRegistered: deployments.has(name),
        routes: deployments.get(name)?.manifest.routes ?? [],
        versions: [...(deployments.get(name)?.versions.keys() ?? [])].sort(),
        slots,
        freeSlots: Math.max(0, slots - busy),
      }
    }),
  }
}
