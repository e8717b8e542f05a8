// Fails with everything that it was told.

import { defineFunction } from '../../../runner/define-function.js'

export default defineFunction({
  route: 'GET /thrower',
  run: (_input, context) => {
    context.log.info({ headers: Object.fromEntries(context.headers) }, 'about to fail')
    throw new Error(`failed: ${JSON.stringify(context.principal)}`)
  },
})
