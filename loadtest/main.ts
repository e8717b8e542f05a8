import { program } from 'commander'
import { bodiesCommand } from './scenarios/bodies.js'
import { curvesCommand } from './scenarios/curves.js'
import { killRunnersCommand } from './scenarios/kill-runners.js'
import { latencyCommand } from './scenarios/latency.js'
import { longShortCommand } from './scenarios/long-short.js'
import { mixedCommand } from './scenarios/mixed.js'
import { neighboursCommand } from './scenarios/neighbours.js'
import { overloadCommand } from './scenarios/overload.js'
import { restartNatsCommand } from './scenarios/restart-nats.js'
import { rollingRestartCommand } from './scenarios/rolling-restart.js'
import { soakCommand } from './scenarios/soak.js'
import { sseCommand } from './scenarios/sse.js'
import { unaryCommand } from './scenarios/unary.js'
import { wsCommand } from './scenarios/ws.js'

const INTERRUPTED_EXIT_CODE = 130

const interruption = new AbortController()
// Once: a second Ctrl-C ends us at once, and the children with us.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interruption.abort())
}

program.name('loadtest')
const measuring = [
  ...[unaryCommand, bodiesCommand, sseCommand, wsCommand],
  ...[neighboursCommand, longShortCommand, latencyCommand, curvesCommand, mixedCommand],
]
const breaking = [
  overloadCommand,
  killRunnersCommand,
  restartNatsCommand,
  rollingRestartCommand,
  soakCommand,
]
for (const scenario of [...measuring, ...breaking]) {
  program.addCommand(scenario(interruption.signal))
}

try {
  await program.parseAsync()
} catch (error) {
  if (interruption.signal.aborted) {
    process.exitCode = INTERRUPTED_EXIT_CODE
  } else {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
