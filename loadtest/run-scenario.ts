// From a scenario's findings to its Result: in a testbed of its own, with the machine it ran on and the
// command that repeats it.

import { commit, othersLine } from './report/machine.js'
import type { Findings } from './report/result.js'
import { tellResult } from './report/tell-result.js'
import { type Testbed, withTestbed } from './testbed.js'

/** @param signal ends the load test early */
export async function runScenario(
  signal: AbortSignal,
  scenario: string,
  { json }: { readonly json?: string },
  run: (testbed: Testbed) => Promise<Findings>,
): Promise<void> {
  const before = {
    command: commandLine(process.argv.slice(2)),
    commit: commit(),
    startedAt: new Date().toISOString(),
    others: await othersLine(),
  }
  const result = await withTestbed(signal, async (testbed) => {
    const findings = await run(testbed)
    const { machine } = testbed
    return { scenario, machine, ...before, ...findings }
  })
  await tellResult(result, json)
}

/** Without where its numbers go, which changes none of them. */
function commandLine(args: readonly string[]): string {
  const isOfJson = (index: number) => args[index] === '--json' || args[index - 1] === '--json'
  const kept = args.filter((arg, index) => !isOfJson(index) && !arg.startsWith('--json='))
  return ['npm run loadtest --', ...kept].join(' ')
}
