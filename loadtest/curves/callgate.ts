// Callgate as the curves need it: gateways on one port and runners, warmed up.

import { type RunnersOf, System } from '../system/system.js'
import type { Testbed } from '../testbed.js'
import type { ProcessGroup } from './point.js'

export interface CallgateForm {
  readonly gateways?: number
  readonly runners: readonly RunnersOf[]
}

export interface Callgate {
  readonly origin: string
  readonly headers: Readonly<Record<string, string>>
  readonly groups: readonly ProcessGroup[]
}

/** What a call costs is asked, not who is refused: with 10,000 connections, most of them wait for a slot. */
const GATEWAY_FLAGS = ['--max-queued', '20000']

export async function startCallgate(testbed: Testbed, form: CallgateForm): Promise<Callgate> {
  const system = await System.start(testbed, {
    gateways: form.gateways ?? 1,
    gatewayFlags: GATEWAY_FLAGS,
  })
  await system.startRunners(form.runners)
  return {
    origin: system.origin,
    headers: { authorization: system.authorization },
    groups: [
      { name: 'gateway', pids: system.gateways.map(({ child }) => child.pid) },
      { name: 'nats-server', pids: [system.nats.pid] },
      { name: 'runner', pids: system.runners.map(({ child }) => child.pid) },
    ],
  }
}

export function echoRunners(processes: number): RunnersOf[] {
  return [{ functionName: 'echo', processes }]
}
