// One runner process: import the function, register it, load it, take calls, drain. Wiring only.
//
//   node dist/runner/main.js <file> [--no-register] [--replaces=<function>]        configured by CALLGATE_* variables
//
// Started by `fleet/runner-process.ts`, which starts it again when it exits without having been told to.

import { runProcess } from './process.js'

const REPLACES = '--replaces='

const file = process.argv.slice(2).find((argument) => !argument.startsWith('--'))
if (file === undefined) {
  process.stderr.write('Usage: main.js <file> [--no-register] [--replaces=<function>]\n')
  process.exit(2)
}
const replaces = process.argv.find((argument) => argument.startsWith(REPLACES))
await runProcess({
  file,
  register: !process.argv.includes('--no-register'),
  replaces: replaces?.slice(REPLACES.length) ?? null,
})
