// A runner process that waits to be told its file, with everything loaded that does not depend on it: of
// the half second that a start takes, that is most. `fleet/runner-source.ts` starts it, with the language of
// the files that it expects.

import type { Language } from './fleet/language.js'
import type { StartOrder } from './fleet/runner-message.js'
import { installHooks } from './import-hooks.js'
import { runProcess } from './process.js'

// Unused, and the one who would have used it is gone.
const onDisconnect = () => process.exit()
process.once('disconnect', onDisconnect)
process.once('message', (order: StartOrder) => {
  process.off('disconnect', onDisconnect)
  void runProcess(order)
})
await installHooks(process.argv[2] as Language)
