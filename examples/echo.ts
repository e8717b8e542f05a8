import { defineFunction } from 'callgate'

export default defineFunction({
  maxInputs: 1000,
  run: (input) => input,
})
