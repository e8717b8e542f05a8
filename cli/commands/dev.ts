// `callgate dev [path…]`: everything on one machine: an embedded nats-server, a gateway in this process,
// a runner process for each function, restarted when its file changes.

import { Command } from 'commander'
import { type Gateway, startGateway } from '../../gateway/main.js'
import {
  type GatewayConfig,
  gatewaySettings,
  logSettings,
  natsSettings,
  readConfig,
  runnerSettings,
  variableName,
} from '../../shared/config.js'
import { createLog } from '../../shared/log.js'
import { banner } from '../dev/banner.js'
import { folderOf, functionFiles } from '../dev/function-files.js'
import { FunctionSet } from '../dev/function-set.js'
import { openDevelopmentKey } from '../development-key.js'
import { startNatsServer } from '../embedded-nats/nats-server.js'
import { UserFailure } from '../failure.js'
import { withRegistry } from '../registry-session.js'
import { addSettings, toEnvironment } from '../settings-options.js'
import { toldToStop } from '../signals.js'
import { STATE_DIR } from '../state-dir.js'

const settings = { ...gatewaySettings, ...runnerSettings, ...natsSettings, ...logSettings }
/** What development differs in from production. */
const DEFAULTS = { host: '127.0.0.1', logFormat: 'pretty' }

export function devCommand(): Command {
  const command = new Command('dev')
    .description('run nats-server, gateway and functions on this machine')
    .argument('[path...]', 'function files, and folders of them', ['.'])
  return addSettings(command, settings).action(dev)
}

async function dev(paths: string[], flags: Record<string, unknown>): Promise<void> {
  const files = await functionFiles(paths)
  if (files.length === 0) {
    throw new UserFailure(
      `There is no function in ${paths.join(', ')}: no script there imports 'callgate'.`,
    )
  }
  const key = await openDevelopmentKey(STATE_DIR)
  const hasOwnKeys = ['jwksFile', 'jwksUrl', 'jwtKeyFile'].some((name) => isSet(name, flags))
  const keySettings = hasOwnKeys ? {} : { jwksFile: key.jwksFile, algorithms: key.algorithm }
  const config = readConfig(
    settings,
    { ...defaultsFor(flags), ...keySettings, ...flags },
    process.env,
  )

  const closers: (() => Promise<unknown>)[] = []
  const closeAll = async () => {
    for (const close of closers.reverse()) await close()
  }
  try {
    const isEmbedded = !isSet('natsUrl', flags)
    let { natsUrl } = config
    if (isEmbedded) {
      const server = await startNats()
      closers.push(() => server.stop())
      natsUrl = server.url
      void server.exited.then(() => say('nats-server has ended.'))
    }
    const running = { ...config, natsUrl }
    if (isEmbedded) await forgetFunctions(running)
    const gateway: Gateway = await startGateway(running as GatewayConfig, createLog(config))
    closers.push(() => gateway.close())

    const folders = (await Promise.all(paths.map(folderOf))).filter((folder) => folder !== null)
    const functions = startFunctions(folders, running)
    closers.push(() => functions.close())
    await Promise.all(files.map((file) => functions.add(file)))

    const manifests = await withRegistry(running, (registry) => registry.list())
    const token = await key.sign({
      subject: 'developer',
      ttl: '12h',
      issuer: config.issuer,
      audience: config.audience?.[0],
    })
    say(banner({ url: gateway.url, adminUrl: gateway.adminUrl, natsUrl, token, manifests }))
    await toldToStop()
  } finally {
    await closeAll()
  }
}

function startFunctions(folders: string[], config: Record<string, unknown> & { drainMs: number }) {
  return new FunctionSet(folders, {
    environment: { ...process.env, ...toEnvironment(config) },
    // A save must not wait for a stream that may go on for ever.
    killAfterMs: Math.min(config.drainMs, 5_000),
    onReady: () => {},
    onRestart: (file) => say(`${file} has changed.`),
    onFailed: (file, message, retryInMs) => {
      const next =
        retryInMs === null ? 'Save it again when it is mended.' : `Again in ${retryInMs} ms.`
      say(`${file}: ${message}\n${next}`)
    },
    onRemoved: (file, name) => {
      say(`${file} is gone.`)
      if (name === null) return
      withRegistry(config as never, (registry) => registry.delete(name)).catch((error) =>
        say(`${name} could not be undeployed: ${(error as Error).message}`),
      )
    },
  })
}

async function startNats() {
  try {
    return await startNatsServer({ stateDir: STATE_DIR, portPolicy: 'prefer', onProgress: say })
  } catch (error) {
    throw new UserFailure((error as Error).message, { cause: error })
  }
}

/** The embedded server keeps its registry between runs: what is in it may be of other files. */
async function forgetFunctions(config: Parameters<typeof withRegistry>[0]): Promise<void> {
  await withRegistry(config, async (registry) => {
    for (const { name } of await registry.list()) await registry.delete(name)
  })
}

function isSet(name: string, flags: Record<string, unknown>): boolean {
  const variable = variableName(name)
  return flags[name] !== undefined || Boolean(process.env[variable])
}

function defaultsFor(flags: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(Object.entries(DEFAULTS).filter(([name]) => !isSet(name, flags)))
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
