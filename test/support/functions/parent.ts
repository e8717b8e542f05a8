// Has a process of its own, which says so on TEST_PORT: `here`, and `told` when it is told to end. With
// TEST_DEAF it does not end then.

import { spawn } from 'node:child_process'
import { defineFunction } from '../../../runner/define-function.js'

const CHILD = `
const socket = require('node:net').connect(${process.env.TEST_PORT})
socket.write('here ')
process.on('SIGTERM', () => socket.write('told ', () => ${process.env.TEST_DEAF ? '{}' : 'process.exit()'}))
`

export default defineFunction({
  name: process.env.TEST_NAME!,
  auth: 'public',
  load: () => void spawn(process.execPath, ['-e', CHILD], { stdio: 'ignore' }),
  run: () => process.pid,
})
