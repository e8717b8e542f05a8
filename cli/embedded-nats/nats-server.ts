// A nats-server of our own, with JetStream, for `callgate dev` and for the tests; in production
// Callgate connects to a cluster instead. This file owns the child from its start to its end.
// In <stateDir>/nats: its config, its log, its ports file, its lock and the JetStream store.
//
//   spawned ─▶ store locked ─▶ running ─▶ ready ─▶ exited      (exited may follow each of them)

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { findNatsServer } from './find-nats-server.js'
import { installNatsServer } from './install-nats-server.js'
import { serverReady } from './server-ready.js'
import { spawnMortal } from './spawn-mortal.js'
import { lockStore } from './store-lock.js'

// Ready takes 30 ms with an empty store; recovering a large one is why this is not shorter.
const READY_TIMEOUT_MS = 30_000
// nats-server flushes its streams on SIGTERM; one that has not ended after this hangs.
const STOP_GRACE_MS = 5_000
const RANDOM_PORT = -1

/**
 * What Go is told, unless the user tells it otherwise. By default its collector runs whenever the heap has
 * doubled, and of a server that holds a few MiB while bodies pass that is all the time; and it looks for
 * work on every core, which on this machine gateways and runners need. Measured with two cores: a GiB
 * published and received costs nats-server 3.7 s of CPU without these, 1.8 with them (2.15: 2.2 and 1.5),
 * a small call at 64 connections 15 and 10 us; 15 MiB more are held.
 */
const GO_SETTINGS: NodeJS.ProcessEnv = {
  GOGC: '400',
  GOMAXPROCS: String(Math.max(1, Math.floor(availableParallelism() / 2))),
}

export interface NatsServerOptions {
  readonly stateDir: string
  /** Address to listen on. Default: 127.0.0.1. */
  readonly host?: string
  /** Client port; -1 lets the system choose. Default: 4222. */
  readonly port?: number
  /** What to do about a taken port: fail, or take one that the system chooses. Default: exact. */
  readonly portPolicy?: 'exact' | 'prefer'
  /** Parent of the JetStream store, which is its folder `jetstream`. Default: <stateDir>/nats. */
  readonly storeDir?: string
  /** Largest message. Default: nats-server's own, 1 MiB. */
  readonly maxPayloadBytes?: number
  /** The binary to run. Default: the one found, else installed. */
  readonly binaryPath?: string
  readonly onProgress?: (line: string) => void
}

export interface ServerExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface NatsServer {
  readonly url: string
  readonly pid: number
  /** Ends the server and resolves after its exit. May be called again. */
  stop(): Promise<void>
  /** Resolves when the server has ended, wanted or not. 2.9 exits with 1 after a SIGTERM. */
  readonly exited: Promise<ServerExit>
}

/** Resolves once the server greets clients. Throws one sentence that says what to change. */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { host = '127.0.0.1', port = 4222, portPolicy = 'exact', onProgress } = options
  const nats = join(resolve(options.stateDir), 'nats')
  const store = resolve(options.storeDir ?? nats)
  for (const directory of [join(nats, 'ports'), store]) await mkdir(directory, { recursive: true })
  const binaryPath =
    options.binaryPath ??
    (await findNatsServer(options)) ??
    (await installNatsServer({ stateDir: options.stateDir, onProgress }))

  // One spelling for one directory: the lock tells its holder by the config's path.
  const natsDir = await realpath(nats)
  const storeDir = await realpath(store)
  const start = (chosenPort: number) =>
    launch({ ...options, host, port: chosenPort, binaryPath, natsDir, storeDir })
  try {
    return await start(port)
  } catch (error) {
    if (portPolicy === 'exact' || !(error instanceof PortTakenError)) throw error
    return await start(RANDOM_PORT)
  }
}

interface Launch extends NatsServerOptions {
  readonly host: string
  readonly port: number
  readonly binaryPath: string
  readonly natsDir: string
  readonly storeDir: string
}

class PortTakenError extends Error {}
class EarlyExitError extends Error {}

async function launch(options: Launch): Promise<NatsServer> {
  const { binaryPath, natsDir, storeDir } = options
  const configPath = join(natsDir, 'nats-server.conf')
  const portsDir = join(natsDir, 'ports')
  const logPath = join(natsDir, 'nats-server.log')
  const log = await open(logPath, 'a')
  const logStartBytes = (await log.stat()).size
  const { child, pid, begin } = spawnMortal([binaryPath, '-c', configPath], log.fd, {
    ...GO_SETTINGS,
    ...process.env,
  })
  await log.close()

  const exited = once(child, 'exit').then(([code, signal]): ServerExit => ({ code, signal }))
  try {
    for (const directory of new Set([natsDir, storeDir])) {
      await lockStore(directory, { pid, configPath })
    }
    // Only the holder of the locks may touch these. A ports file left behind could bear our pid.
    for (const name of await readdir(portsDir)) await rm(join(portsDir, name), { force: true })
    await writeFile(configPath, configText(options, portsDir))
    begin()
    const host = contactHost(options.host)
    const port = await readyBeforeExit({ portsDir, pid, host }, exited)
    const url = `nats://${host.includes(':') ? `[${host}]` : host}:${port}`
    return { url, pid, exited, stop: () => stop(child, exited) }
  } catch (error) {
    await stop(child, exited)
    if (!(error instanceof EarlyExitError)) throw error
    const logged = (await readFile(logPath)).subarray(logStartBytes).toString('utf8')
    throw startFault(logged, logPath, options)
  }
}

async function readyBeforeExit(
  server: { portsDir: string; pid: number; host: string },
  exited: Promise<ServerExit>,
): Promise<number> {
  const abort = new AbortController()
  void exited.then(() => abort.abort(new EarlyExitError()))
  const late = new Error(`nats-server was not ready after ${READY_TIMEOUT_MS / 1000} s.`)
  const timer = setTimeout(() => abort.abort(late), READY_TIMEOUT_MS)
  try {
    return await serverReady({ ...server, signal: abort.signal })
  } finally {
    clearTimeout(timer)
  }
}

async function stop(child: ChildProcess, exited: Promise<ServerExit>): Promise<void> {
  child.kill('SIGTERM')
  // One that was stopped with SIGSTOP would not see the SIGTERM otherwise.
  child.kill('SIGCONT')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS)
  try {
    await exited
  } finally {
    clearTimeout(timer)
  }
}

function configText({ host, port, storeDir, maxPayloadBytes }: Launch, portsDir: string): string {
  const lines = [
    '# Written by callgate at every start; changes are lost.',
    `host: ${JSON.stringify(host)}`,
    `port: ${port}`,
    `ports_file_dir: ${JSON.stringify(portsDir)}`,
    // nats-server adds the folder `jetstream` by itself.
    `jetstream { store_dir: ${JSON.stringify(storeDir)} }`,
  ]
  if (maxPayloadBytes !== undefined) lines.push(`max_payload: ${maxPayloadBytes}`)
  return `${lines.join('\n')}\n`
}

// Where a server that listens on every address is reached from this machine.
function contactHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

function startFault(logged: string, logPath: string, { host, port }: Launch): Error {
  if (/address already in use/i.test(logged)) {
    return new PortTakenError(
      `Port ${port} of ${host} is taken, so nats-server cannot listen there: ` +
        'stop what uses it or choose another port.',
    )
  }
  const lines = logged.trim().split('\n')
  const reason = lines.findLast((line) => line.includes('[FTL]')) ?? lines.at(-1)
  return new Error(`nats-server ended while starting (${reason}); its log is ${logPath}.`)
}
