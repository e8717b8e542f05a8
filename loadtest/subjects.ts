// The systems that are compared. Each start function starts a subject's processes as its user would;
// the testbed ends them, and rounds.ts waits for the first right answer.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ALGORITHM } from './access-token.js'
import { freePort } from './free-port.js'
import { type Nats, REPOSITORY, type Testbed } from './testbed.js'

export interface Subject {
  readonly name: string
  /** Where it listens, without a path. */
  readonly origin: string
  /** The processes whose use of CPU time and memory is its cost. */
  readonly processes: readonly SubjectProcess[]
}

export interface SubjectProcess {
  readonly name: string
  readonly pid: number
}

export interface SubjectOptions {
  readonly nats: Nats
  readonly jwksFile: string
  /** The examples that Callgate serves, each by a runner of its own. */
  readonly functions: readonly string[]
  /** Of Callgate's gateway and runner; their own default if absent. */
  readonly logLevel?: string | undefined
  /** Where Callgate's gateway and runner leave CPU profiles; none if absent. */
  readonly profileDirectory?: string | undefined
}

export type StartSubject = (testbed: Testbed, options: SubjectOptions) => Promise<Subject>

/** The gateway, NATS and the runners. */
export const startCallgate: StartSubject = async (testbed, options) => {
  const { nats, jwksFile, functions, logLevel } = options
  const program = join(REPOSITORY, 'dist', 'cli', 'main.js')
  if (!existsSync(program)) {
    throw new Error('dist/cli/main.js is missing: build Callgate first, with npm run build.')
  }
  const shared = ['--nats-url', nats.url, ...(logLevel ? ['--log-level', logLevel] : [])]
  const node = (name: string) => [process.execPath, ...profiling(name, options), program]

  // Not port 0: the log, which tells the port that was taken, may be off.
  const port = await freePort()
  const listen = ['--host', '127.0.0.1', '--port', String(port), '--admin-port', '0']
  const verify = ['--jwks-file', jwksFile, '--algorithms', ALGORITHM]
  const gateway = await testbed.startServer('callgate gateway', [
    ...[...node('gateway'), 'gateway', ...shared, ...listen, ...verify],
  ])
  const runners: SubjectProcess[] = []
  for (const name of functions) {
    const label = functions.length === 1 ? 'runner' : `${name} runner`
    const { pid } = await testbed.startServer(`callgate ${label}`, [
      ...[...node(label), 'runner', join(REPOSITORY, 'examples', `${name}.ts`), ...shared],
    ])
    runners.push({ name: label, pid })
  }
  return {
    name: 'callgate',
    origin: `http://127.0.0.1:${port}`,
    processes: [
      { name: 'gateway', pid: gateway.pid },
      { name: 'nats-server', pid: nats.pid },
      ...runners,
    ],
  }
}

/** Fastify and nc.request(), with one responder. */
export const startFastifyNats: StartSubject = async (testbed, { nats }) => {
  const responder = await testbed.startServer('fastify-nats-responder', [
    ...peer('fastify-nats-responder'),
    nats.url,
  ])
  await responder.line('ready', testbed.signal)
  const front = await testbed.startServer('fastify-nats', [...peer('fastify-nats'), nats.url])
  const { url } = await front.line('listening', testbed.signal)
  return {
    name: 'fastify-nats',
    origin: String(url),
    processes: [
      { name: 'fastify', pid: front.pid },
      { name: 'nats-server', pid: nats.pid },
      { name: 'responder', pid: responder.pid },
    ],
  }
}

/** One end of a pipe over NATS; the load is the other. */
export const startNatsPipe: StartSubject = async (testbed, { nats }) => {
  const command = [...peer('nats-pipe-subscriber'), nats.url]
  const subscriber = await testbed.startServer('nats-pipe-subscriber', command)
  await subscriber.line('ready', testbed.signal)
  return {
    name: 'nats-pipe',
    origin: nats.url,
    processes: [
      { name: 'nats-server', pid: nats.pid },
      { name: 'subscriber', pid: subscriber.pid },
    ],
  }
}

/** The far end of a bare nc.request(); the load is the near one. */
export const startNatsRequest: StartSubject = async (testbed, { nats }) => {
  const command = [...peer('nats-responder'), nats.url]
  const responder = await testbed.startServer('nats-responder', command)
  await responder.line('ready', testbed.signal)
  return {
    name: 'nc.request()',
    origin: nats.url,
    processes: [
      { name: 'nats-server', pid: nats.pid },
      { name: 'responder', pid: responder.pid },
    ],
  }
}

/** node:http in front of a NATS queue group of so many members. */
export async function startQueueGroup(
  testbed: Testbed,
  nats: Nats,
  members: number,
): Promise<Subject> {
  for (let number = 1; number <= members; number += 1) {
    const command = [...peer('queue-group-member'), nats.url]
    const member = await testbed.startServer(`queue group member ${number}`, command)
    await member.line('ready', testbed.signal)
  }
  const command = [...peer('queue-group-front'), nats.url]
  const front = await testbed.startServer('queue group front', command)
  const { url } = await front.line('listening', testbed.signal)
  return {
    name: 'queue group',
    origin: String(url),
    processes: [{ name: 'front', pid: front.pid }],
  }
}

export const startUwsHello = (testbed: Testbed) => startAlone(testbed, 'uws-hello')

export const startUwsUpload: StartSubject = (testbed) => startAlone(testbed, 'uws-upload')

export const startUwsEcho: StartSubject = (testbed) => startAlone(testbed, 'uws-echo')

export const startNodeHttp = (testbed: Testbed) => startAlone(testbed, 'node-http')

export const startNodeSse: StartSubject = (testbed) => startAlone(testbed, 'node-sse')

async function startAlone(testbed: Testbed, name: string): Promise<Subject> {
  const server = await testbed.startServer(name, peer(name))
  const { url } = await server.line('listening', testbed.signal)
  return { name, origin: String(url), processes: [{ name, pid: server.pid }] }
}

function peer(name: string): string[] {
  return [process.execPath, join(import.meta.dirname, 'peers', `${name}.js`)]
}

function profiling(name: string, { profileDirectory }: SubjectOptions): string[] {
  if (profileDirectory === undefined) return []
  // A folder for each, because the processes that they start get the same arguments.
  return ['--cpu-prof', `--cpu-prof-dir=${join(profileDirectory, name)}`]
}
