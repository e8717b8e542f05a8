// Many WebSockets, each with one small message on its way at any time. Asks what a message costs there
// and back, and whether all come.

import { once } from 'node:events'
import { Command } from 'commander'
import WebSocket from 'ws'
import { addCommonOptions, type CommonOptions, positiveInteger } from '../common-options.js'
import type { EchoesLoad } from '../generators/echoes.js'
import type { LoadResult } from '../generators/load.js'
import { runGenerator } from '../generators/run-generator.js'
import { comparison, ratiosBetween, subjectReport } from '../report/compared-subjects.js'
import type { Findings } from '../report/result.js'
import { alternate } from '../rounds.js'
import { runScenario } from '../run-scenario.js'
import { setStage } from '../stage.js'
import { startUwsEcho } from '../subjects/alone.js'
import { startCallgate } from '../subjects/callgate.js'
import type { StartSubject, Subject } from '../subjects/subject.js'
import type { Testbed } from '../testbed.js'

const SUBJECTS: Readonly<Record<string, StartSubject>> = {
  callgate: startCallgate,
  'uws-echo': startUwsEcho,
}

const TERMS = {
  unit: 'message',
  units: 'messages',
  latency: 'round trip',
  errors: 'wrong or lost',
}

const PATH = '/chat'
const WARMUP_MESSAGES = 10
const CHECK_MESSAGE = 'check'

// More than a stalled socket takes to be given up.
const TIMEOUT_MS = 180_000

interface WsOptions extends CommonOptions {
  readonly sockets: number
  readonly messages: number
}

/** @param signal ends the load test early */
export function wsCommand(signal: AbortSignal): Command {
  const command = new Command('ws')
    .description('messages over WebSockets through Callgate, and echoed by uWebSockets.js')
    .option('--sockets <n>', 'WebSockets open at once', positiveInteger, 1000)
    .option('--messages <n>', 'messages of each', positiveInteger, 100)
  return addCommonOptions(command, Object.keys(SUBJECTS), 3).action(async (options: WsOptions) => {
    await runScenario(signal, 'ws', options, (testbed) => runWs(testbed, options))
  })
}

async function runWs(testbed: Testbed, options: WsOptions): Promise<Findings> {
  const { sockets, messages, rounds } = options
  const stage = await setStage(testbed, SUBJECTS, ['chat'], options)
  const headers = { authorization: stage.authorization }
  const results = await alternate(testbed, stage.subjects, {
    rounds,
    unit: TERMS.units,
    check: (subject) => checkEcho(subject, headers),
    generate: (subject, isWarmup) => {
      const load: EchoesLoad = {
        url: socketUrl(subject),
        headers,
        sockets,
        messages: isWarmup ? Math.min(messages, WARMUP_MESSAGES) : messages,
      }
      return runGenerator<LoadResult>(testbed, 'generators/echoes-process', load, TIMEOUT_MS)
    },
  })
  const reports = [...results].map(([name, measured]) => subjectReport(name, measured))
  return {
    title:
      `WebSockets: ${sockets} sockets, ${messages} messages each, one in flight, ` +
      `${rounds} ${rounds === 1 ? 'round' : 'rounds'}`,
    ...comparison(reports, TERMS, ratiosBetween(reports, 'callgate', 'uws-echo', TERMS)),
    targets: [],
    notes: NOTES,
  }
}

async function checkEcho(subject: Subject, headers: Record<string, string>): Promise<void> {
  const socket = new WebSocket(socketUrl(subject), { headers, handshakeTimeout: 5_000 })
  // once() below tells of it; terminating one that is not open yet makes another.
  socket.on('error', () => {})
  try {
    const signal = AbortSignal.timeout(5_000)
    await once(socket, 'open', { signal })
    socket.send(CHECK_MESSAGE)
    const [data] = await once(socket, 'message', { signal })
    if (String(data) !== CHECK_MESSAGE) throw new Error(`${subject.name} answered "${data}"`)
    socket.close(1000)
    await once(socket, 'close', { signal })
  } finally {
    socket.terminate()
  }
}

function socketUrl({ origin }: Subject): string {
  return new URL(PATH, origin.replace(/^http/, 'ws')).href
}

const NOTES = [
  'All sockets have a message on its way at all times, so a round trip is mostly the wait for the turn ' +
    'of a thousand others. CPU time holds what it takes to open and close the sockets.',
]
