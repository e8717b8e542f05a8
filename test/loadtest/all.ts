// What `npm run test:loadtest` runs: the smallest run of each load test, and what is behind them.

import { runFiles } from '../run-files.js'

await runFiles((name) => name.startsWith('loadtest/'), 4)
