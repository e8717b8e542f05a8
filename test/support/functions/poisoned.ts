// Every call kills its runner.

import { defineFunction } from '../../../runner/define-function.js'

export default defineFunction({
  route: 'GET /poisoned',
  auth: 'public',
  idempotent: false,
  run: () => process.kill(process.pid, 'SIGKILL'),
})
