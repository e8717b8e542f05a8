// What people put in front of a Node server today. Each passes calls on to one of our peers, which is part
// of what it costs.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../free-port.js'
import { findProgram, PEER_FOLDERS } from '../peer-packages.js'
import type { Testbed } from '../testbed.js'
import { startAlone } from './alone.js'
import type { StartSubject, Subject } from './subject.js'

/** Both are "host:port". */
interface Between {
  readonly listen: string
  readonly upstream: string
}

export const startHaproxy = (upstream: string) =>
  inFrontOf(upstream, 'haproxy', async (_testbed, { listen, upstream }) => {
    const variables = [`PORT=${listen.split(':')[1]}`, `UPSTREAM=${upstream}`]
    const config = join(PEER_FOLDERS.sources, 'haproxy', 'haproxy.cfg')
    return ['env', ...variables, await program('haproxy'), '-db', '-f', config]
  })

export const startNginx = (upstream: string) =>
  inFrontOf(upstream, 'nginx', async ({ directory }, { listen, upstream }) => {
    const template = await readFile(join(PEER_FOLDERS.sources, 'nginx', 'nginx.conf'), 'utf8')
    const values: Record<string, string> = {
      DIRECTORY: directory,
      PORT: listen.split(':')[1]!,
      UPSTREAM: upstream,
    }
    const config = join(directory, 'nginx.conf')
    await writeFile(
      config,
      template.replace(/\$\{(DIRECTORY|PORT|UPSTREAM)\}/g, (_, name) => values[name]!),
    )
    return [await program('nginx'), '-p', directory, '-c', config]
  })

export const startWorkerd = (upstream: string) =>
  inFrontOf(upstream, 'workerd', async (_testbed, { listen, upstream }) => {
    const config = join(PEER_FOLDERS.sources, 'workerd', 'proxy.capnp')
    const platform = process.arch === 'x64' ? 'linux-64' : `linux-${process.arch}`
    const packages = join(PEER_FOLDERS.installed, 'workerd', 'node_modules', '@cloudflare')
    const binary = join(packages, `workerd-${platform}`, 'bin', 'workerd')
    const addresses = ['--socket-addr', `http=${listen}`, '--external-addr', `upstream=${upstream}`]
    return [binary, 'serve', config, ...addresses]
  })

function inFrontOf(
  upstream: string,
  name: string,
  commandOf: (testbed: Testbed, between: Between) => Promise<string[]>,
): StartSubject {
  return async (testbed): Promise<Subject> => {
    const behind = await startAlone(testbed, upstream)
    const listen = `127.0.0.1:${await freePort()}`
    const command = await commandOf(testbed, { listen, upstream: new URL(behind.origin).host })
    const proxy = await testbed.startServer(name, command)
    return {
      name,
      origin: `http://${listen}`,
      processes: [{ name, pid: proxy.pid }, ...behind.processes],
    }
  }
}

async function program(name: string): Promise<string> {
  const path = await findProgram(name)
  if (path === undefined) throw new Error(`${name} is not on the PATH.`)
  return path
}
