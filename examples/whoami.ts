import { defineFunction } from 'callgate'

export default defineFunction({
  route: 'GET /whoami',
  run: (_input, { principal }) => principal?.claims ?? null,
})
