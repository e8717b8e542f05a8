// A runner process that waits to be told its file, with everything loaded that does not depend on it: of
// the second that a start takes, that is most. `fleet/runner-source.ts` starts it for `callgate dev`,
// where a save is followed by a start.

import { fileURLToPath } from 'node:url'
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
installHooks()

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
