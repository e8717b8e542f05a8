// The configurations of proxies in OPERATIONS.md, as they stand there but for addresses and TLS, each in front of a
// gateway. The second gateway that they name is not there.

import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { folderWith } from '../support/folder.js'
import { freePort } from '../support/free-port.js'
import { startNginxWith } from '../support/nginx.js'
import { isInstalled, startProxy } from '../support/proxy-process.js'
import { signalled } from '../support/scripted-socket.js'
import { SocketClient } from '../support/socket-client.js'
import { System } from '../support/system.js'

const OPERATIONS = readFileSync(
  fileURLToPath(new URL('../../../OPERATIONS.md', import.meta.url)),
  'utf8',
)
const LARGE_HEAD = 60_000

const system = await System.start(t)
await system.serve(
  defineFunction({
    name: 'look',
    route: ['GET /look', 'POST /look'],
    auth: 'public',
    maxInputs: 10,
    fetch: async ({ url, headers, body }) => {
      let bytes = 0
      for await (const chunk of body ?? []) bytes += (chunk as Uint8Array).length
      return Response.json({ url, bytes, headers: Object.fromEntries(headers) })
    },
  }),
)
await system.serve(
  defineFunction({
    name: 'large-head',
    route: 'GET /large-head',
    auth: 'public',
    fetch: ({ headers }) =>
      new Response('', { headers: { 'x-large': 'x'.repeat(Number(headers.get('x-bytes'))) } }),
  }),
)
await system.serve(
  defineFunction({
    name: 'talk',
    route: 'WS /talk',
    auth: 'public',
    async socket(socket) {
      for await (const message of socket) await socket.send(message)
    },
  }),
)
let arrived = signalled()
await system.serve(
  defineFunction({
    name: 'values',
    route: 'GET /values',
    auth: 'public',
    async *run() {
      for (let index = 0; index < 10; index++) {
        arrived = signalled()
        yield index
        await arrived.promise
      }
    },
  }),
)

t.test('nginx', { skip: !isInstalled('nginx') && 'no nginx is installed' }, async (t) => {
  const [block] = blocksOf('nginx') as [string]
  const port = await freePort()
  await startNginxWith(t, await withAddresses(block, port), port)
  const url = `http://127.0.0.1:${port}`
  await passesEverything(t, url)
  t.equal(await statusOfLargeHead(url, LARGE_HEAD), 200)
})

t.test('HAProxy', { skip: !isInstalled('haproxy') && 'no HAProxy is installed' }, async (t) => {
  const [block] = blocksOf('haproxy') as [string]
  const port = await freePort()
  const folder = folderWith(t, {})
  const statsPath = join(folder, 'stats')
  const file = join(folder, 'haproxy.cfg')
  const ourGlobal = `global\n    stats socket "${statsPath}"\n    tune.bufsize 81920\n`
  writeFileSync(file, `${ourGlobal}${await withAddresses(block, port)}`)
  await startProxy(t, 'haproxy', ['-db', '-f', file], { host: '127.0.0.1', port })
  const url = `http://127.0.0.1:${port}`
  await passesEverything(t, url)
  t.equal(await statusOfLargeHead(url, LARGE_HEAD), 200)
  t.match(await checkOf(statsPath, 'gateway1'), { status: 'UP', check_status: 'L7OK' })
})

/** What a gateway does by itself, it does behind this proxy. */
async function passesEverything(t: Test, url: string): Promise<void> {
  const look = await (await fetch(`${url}/look?a=b`, { headers: { te: 'x' } })).json()
  t.match(look.headers, { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': /^https?$/ })
  t.match(look.url, /:\/\/127\.0\.0\.1.*\/look\?a=b$/)

  const body = Buffer.alloc(5_000_000)
  const posted = await fetch(`${url}/look`, { method: 'POST', body } as RequestInit)
  t.match(await posted.json(), { bytes: body.length })

  const stream = await fetch(`${url}/values`, { headers: { accept: 'text/event-stream' } })
  let events = ''
  for await (const bytes of stream.body!) {
    events += Buffer.from(bytes).toString()
    arrived.go()
  }
  t.equal(events.match(/^data: /gm)?.length, 10, 'a value at a time')

  const client = await SocketClient.open(t, `${url}/talk`)
  await client.send('hello')
  t.equal(await client.next(), 'hello')
  t.match(await client.close(4000), { code: 4000 })
  await system.atRest()
}

async function statusOfLargeHead(url: string, bytes: number): Promise<number> {
  // Node's fetch has no room for it.
  const { port } = new URL(url)
  const socket = connect({ host: '127.0.0.1', port: Number(port) })
  socket.write(
    `GET /large-head HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Bytes: ${bytes}\r\n\r\n`,
  )
  return Number((await text(socket)).split(' ')[1])
}

/** What HAProxy knows of a server, once it has asked. */
async function checkOf(statsPath: string, server: string): Promise<Record<string, string>> {
  for (;;) {
    const socket = connect(statsPath)
    socket.write('show stat\n')
    const [head = [], ...rows] = (await text(socket)).split('\n').map((line) => line.split(','))
    const row = rows.find(([, name]) => name === server)!
    const stat = Object.fromEntries(head.map((name, index) => [name, row[index]!]))
    if (!['', 'INI'].includes(stat.check_status!)) return stat
  }
}

// ---- the document ----------------------------------------------------------------------------------------

function blocksOf(language: string): string[] {
  const fences = OPERATIONS.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))
  return [...fences].map(([, block]) => block!)
}

async function withAddresses(block: string, port: number): Promise<string> {
  const admin = new URL(system.gateway.adminUrl)
  return block
    .replace('listen 443 ssl;', `listen 127.0.0.1:${port};`)
    .replace(/ssl_certificate.*;/g, '')
    .replace(/bind .*/, `bind 127.0.0.1:${port}`)
    .replace('check port 8081', `check port ${admin.port}`)
    .replace('10.0.0.1:8080', `127.0.0.1:${system.port}`)
    .replace('10.0.0.2:8080', `127.0.0.1:${await freePort()}`)
}
