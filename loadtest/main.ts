import { program } from 'commander'
import { installPeersCommand } from './install-peers.js'
import { renderCommand, reportCommand } from './report/report-command.js'
import { bodiesCommand } from './scenarios/bodies.js'
import { coldpathCommand } from './scenarios/coldpath.js'
import { curvesCommand } from './scenarios/curves.js'
import { idleCommand } from './scenarios/idle.js'
import { killRunnersCommand } from './scenarios/kill-runners.js'
import { latencyCommand } from './scenarios/latency.js'
import { longShortCommand } from './scenarios/long-short.js'
import { mixedCommand } from './scenarios/mixed.js'
import { neighboursCommand } from './scenarios/neighbours.js'
import { overloadCommand } from './scenarios/overload.js'
import { restartNatsCommand } from './scenarios/restart-nats.js'
import { rollingRestartCommand } from './scenarios/rolling-restart.js'
import { routesCommand } from './scenarios/routes.js'
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
  ...[neighboursCommand, longShortCommand, latencyCommand, mixedCommand, curvesCommand],
  ...[idleCommand, routesCommand, coldpathCommand],
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
program.addCommand(reportCommand(interruption.signal)).addCommand(renderCommand())
program.addCommand(installPeersCommand(interruption.signal))

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
