// `callgate dev`: wiring only. An embedded nats-server, a gateway in this process, a process for each
// function; ended in the opposite order.

import { join, relative, resolve, sep } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startGateway } from '../../gateway/main.js'
import { RunnerSource } from '../../runner/fleet/runner-source.js'
import { createLog } from '../../shared/log.js'
import { timerMs } from '../../shared/max-timer.js'
import { openDevelopmentKey } from '../development-key.js'
import { type NatsServer, startNatsServer } from '../embedded-nats/nats-server.js'
import { UserFailure } from '../failure.js'
import { openRegistry, type RegistrySession } from '../registry-session.js'
import { toEnvironment } from '../settings-options.js'
import { toldToStop } from '../signals.js'
import { announceFailed } from './announce-failed.js'
import { banner } from './banner.js'
import { type DevConfig, readDevConfig } from './dev-config.js'
import { DevTokens } from './dev-tokens.js'
import { functionPaths } from './function-files.js'
import { FunctionSet } from './function-set.js'

/** Functions that load longer than this are announced when they are ready; the others need not wait. */
const FIRST_LOAD_MS = 10_000

export async function dev(paths: string[], flags: Record<string, unknown>): Promise<void> {
  const given = readDevConfig(flags, process.env)
  const { files, folders } = functionPaths(paths)
  const told = toldToStop()
  const closers: (() => Promise<unknown>)[] = []
  try {
    const key = await openDevelopmentKey(resolve(given.stateDir))
    const server = given.natsUrl === undefined ? await startNats(given.stateDir) : null
    if (server !== null) closers.push(() => server.stop())
    const config = {
      ...given,
      natsUrl: server?.url ?? given.natsUrl!,
      jwksFile: given.hasOwnKeys ? given.jwksFile : key.jwksFile,
    }

    const session = await openRegistry(config)
    closers.push(() => session.close())
    // The embedded server keeps its registry between runs: what is in it may be of other files.
    if (server !== null) await session.registry.clear()
    const gateway = await startGateway(config, createLog(config))
    closers.push(() => gateway.close())

    const tokens = given.hasOwnKeys ? null : new DevTokens(key, config)
    let isUp = false
    const onReady = async (name: string) => {
      const manifest = (await session.registry.list()).get(name)?.manifest
      if (!isUp || manifest === undefined) return
      say(`${name} is live: ${manifest.routes.join(', ')}`)
      const token = await tokens?.tokenFor([manifest])
      if (token) say(`A token that has its scopes, too:\n  ${token}`)
    }
    const functions = startFunctions(folders, config, session, onReady)
    closers.push(() => functions.close())
    const loaded = functions.start(files)
    await Promise.race([loaded, told, delay(FIRST_LOAD_MS, undefined, { ref: false })])

    const deployments = await session.registry.list()
    const manifests = [...deployments.values()].map(({ manifest }) => manifest)
    const token = (await tokens?.tokenFor(manifests)) ?? null
    const loading = functions.waiting.map(short)
    const { url, adminUrl } = gateway
    say(banner({ url, adminUrl, natsUrl: config.natsUrl, token, manifests, loading, folders }))
    isUp = true
    await Promise.race([told, ...(server === null ? [] : [diedByItself(server, given.stateDir)])])
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

function startFunctions(
  folders: readonly string[],
  config: DevConfig,
  { bus, subjects, registry }: RegistrySession,
  onReady: (name: string) => Promise<void>,
): FunctionSet {
  const { hasOwnKeys: _, stateDir: __, ...settings } = config
  const sayFailed = (error: unknown) => say((error as Error).message)
  return new FunctionSet(folders, {
    source: new RunnerSource({
      environment: { ...process.env, ...toEnvironment(settings) },
      killAfterMs: timerMs(config.drainMs, config.cancelGraceMs, 1_000),
    }),
    undeploy: async (name) => {
      await registry.delete(name).catch(sayFailed)
    },
    onReady: (_file, { name }) => void onReady(name).catch(sayFailed),
    onRestart: (file) => say(`${short(file)} has changed.`),
    onFailed: ({ file, message, retryInMs, name }) => {
      if (name !== null && retryInMs === null) announceFailed(bus, subjects, name, message)
      const sentence = message.split('\n    at ')[0]!
      const named = sentence.includes(file) ? sentence : `${file}: ${sentence}`
      const next = retryInMs === null ? 'Mend it and save it.' : 'Starting it again.'
      say(`${named.replaceAll(join(process.cwd(), sep), '')}\n${next}`)
    },
    onRemoved: (file) => say(`${short(file)} is gone, and its routes.`),
    onSameName: (file, otherFile, name) =>
      say(
        `${short(file)} and ${short(otherFile)} are both called ${name}: give one of them another \`name\`.`,
      ),
  })
}

async function startNats(stateDir: string): Promise<NatsServer> {
  try {
    return await startNatsServer({ stateDir, portPolicy: 'prefer', onProgress: say })
  } catch (error) {
    throw new UserFailure((error as Error).message, { cause: error })
  }
}

async function diedByItself(server: NatsServer, stateDir: string): Promise<never> {
  await server.exited
  throw new UserFailure(
    `nats-server has ended; ${resolve(stateDir)}/nats/nats-server.log may say why.`,
  )
}

/** A path as one would type it here. */
function short(path: string): string {
  const shorter = relative('', path)
  return shorter.startsWith('..') ? path : shorter
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
