// What `npm test` runs: everything but the load tests' own tests, which are `npm run test:loadtest`.

import { runFiles } from './run-files.js'

await runFiles((name) => !name.startsWith('loadtest/'), 6)
