// One runner process: import the function, register it, load it, take calls, drain. Wiring only.
//
//   node dist/runner/main.js <file> [<order>]        configured by CALLGATE_* variables
//
// The order is the rest of a `StartOrder` as JSON; without one the function is registered. Started by
// `fleet/runner-process.ts`, which starts it again when it exits without having been told to.

import type { StartOrder } from './fleet/runner-message.js'
import { runProcess } from './process.js'

const [file, order = '{}'] = process.argv.slice(2)
if (file === undefined) {
  process.stderr.write('Usage: main.js <file> [<order>]\n')
  process.exit(2)
}
const { registering = 'now', replaces = null } = JSON.parse(order) as Partial<StartOrder>
await runProcess({ file, registering, replaces })
