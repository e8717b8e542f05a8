// What /fleet answers: functions with their routes, runners, slots, queue and counters.

import { type Deployment, weightOf } from '../shared/deployment.js'
import type { Dispatcher, FunctionStatus } from './dispatch/dispatcher.js'

export interface FleetStatus {
  readonly gateway: string
  readonly functions: readonly (FunctionStatus & {
    /** False for a function that has runners or was called, but is not in the registry. */
    readonly isRegistered: boolean
    readonly routes: readonly string[]
    /** In the registry. */
    readonly versions: readonly string[]
    /** Of the runners that are ready, by version; 0 for one that is registered and has none. */
    readonly slotsByVersion: Readonly<Record<string, number>>
    /** Those that calls can have: of versions with a weight, where weights are set. */
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
      const versions = [...(deployments.get(name)?.versions.keys() ?? [])].sort()
      const ready = status.runners.filter((runner) => runner.state === 'ready')
      const serving = ready.filter(({ version }) => hasCalls(status, version))
      const slots = serving.reduce((sum, runner) => sum + runner.slots, 0)
      const busy = serving.reduce((sum, runner) => sum + runner.inFlight + runner.othersBusy, 0)
      return {
        ...status,
        isRegistered: deployments.has(name),
        routes: deployments.get(name)?.manifest.routes ?? [],
        versions,
        slotsByVersion: slotsByVersion(versions, ready),
        slots,
        freeSlots: Math.max(0, slots - busy),
      }
    }),
  }
}

function hasCalls({ traffic }: FunctionStatus, version: string): boolean {
  return traffic === null || weightOf(traffic, version) > 0
}

function slotsByVersion(
  versions: readonly string[],
  ready: FunctionStatus['runners'],
): Record<string, number> {
  const slots = Object.fromEntries(versions.map((version) => [version, 0]))
  for (const runner of ready) slots[runner.version] = (slots[runner.version] ?? 0) + runner.slots
  return slots
}
