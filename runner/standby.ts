// A runner process that waits to be told its file, with everything loaded that does not depend on it: of
// the second that a start takes, that is most. `fleet/runner-source.ts` starts it, with the language of
// the files that it expects.

import { fileURLToPath } from 'node:url'
import type { Language } from './fleet/language.js'
import type { StandbyMessage } from './fleet/runner-message.js'

const RUNNER_MAIN = new URL('./main.js', import.meta.url)

// All that main.ts imports, and the hooks; main.ts itself runs as soon as it is imported.
const [{ installHooks }] = await Promise.all([
  import('./load-function.js'),
  import('./announce.js'),
  import('./describe-function.js'),
  import('./serve.js'),
  import('../shared/log.js'),
  import('../shared/registry.js'),
])
await installHooks(process.argv[2] as Language)

// Unused, and the one who would have used it is gone.
process.once('disconnect', () => process.exit())
process.once('message', ({ file, register }: StandbyMessage) => {
  process.removeAllListeners('disconnect')
  process.argv.splice(
    1,
    2,
    fileURLToPath(RUNNER_MAIN),
    file,
    ...(register ? [] : ['--no-register']),
  )
  void import(RUNNER_MAIN.href)
})
