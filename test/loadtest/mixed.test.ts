import { test } from 'tap'
import { runScenario } from './run-scenario.js'

test('every kind of call comes, at once, and is answered rightly', async (t) => {
  const few = ['--rate', '50', '--streams', '2', '--sockets', '2', '--transfers', '2', '--mib', '1']
  const args = ['--rounds', '1', '--duration', '1', '--only', 'everything', ...few]
  const table = await runScenario('mixed', ...args)
  for (const kind of ['unary', 'stream', 'upload', 'download', 'refused', 'message']) {
    t.match(table, new RegExp(`^\\| everything +\\| ${kind} +\\| [1-9].*\\| 0 +\\|$`, 'm'))
  }
  t.match(table, /^\| everything +\| gateway +\| \d+ +\| \d+ +\|$/m)
})
