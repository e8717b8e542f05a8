import { defineFunction } from 'callgate'

export default defineFunction({
  route: 'GET /hello',
  auth: 'public',
  run: () => ({ message: 'Hello, world!' }),
})
