// One of many functions that do the same under names of their own.

import { defineFunction } from 'callgate'

export default defineFunction({
  name: process.env.LOADTEST_FUNCTION_NAME!,
  maxInputs: 1000,
  run: (input) => input,
})
