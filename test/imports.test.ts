// What is true of every source: the directions of ARCHITECTURE.md, that a third-party library enters through
// one place, and that only what is a matter of the day asks for its time.

import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** What each part may import of the others; the longest prefix of a file's path decides. */
const ALLOWED: Record<string, readonly string[]> = {
  shared: ['shared'],
  'gateway/dispatch': ['gateway/dispatch', 'shared'],
  'gateway/front': ['gateway', 'shared'],
  gateway: ['gateway', 'shared'],
  'runner/fleet': ['runner/fleet', 'shared'],
  runner: ['runner', 'shared'],
  client: ['client', 'gateway/dispatch', 'shared'],
  cli: ['cli', 'gateway', 'runner', 'client', 'shared'],
  // It starts a nats-server, and loads uWebSockets.js for the peer that is made of it.
  loadtest: ['loadtest', 'cli/embedded-nats', 'gateway/front/uws'],
  examples: ['examples'],
}

/** Packages that only these places may import. */
const DOORS: Record<string, readonly string[]> = {
  'uWebSockets.js': ['gateway/front'],
  koffi: ['gateway/front/kernel-socket.ts'],
  msgpackr: ['shared/codec.ts'],
  '@nats-io/transport-node': [
    'shared/nats.ts',
    'shared/nats-credentials.ts',
    'shared/nats-writer.ts',
    'shared/nats-reader.ts',
    'shared/registry-writer.ts',
    'loadtest/peers',
  ],
  '@nats-io/jetstream': ['shared/registry'],
  '@nats-io/kv': ['shared/registry'],
  jose: ['gateway/auth', 'cli', 'loadtest'],
  tsx: ['runner/import-hooks.ts'],
  commander: ['cli', 'loadtest'],
  'cli-progress': ['loadtest/progress.ts'],
  '@observablehq/plot': ['loadtest/report/draw-chart.ts'],
  linkedom: ['loadtest/report/draw-chart.ts'],
  'prom-client': ['gateway/metrics/exposition.ts'],
  negotiator: ['runner/representation.ts'],
}

/** Who may ask for the time of the day, which can be set: `exp` of a token and the log are matters of it. */
const DAY_CLOCKS = [
  'gateway/auth/authenticator.ts',
  'gateway/front/token-expiry.ts',
  'gateway/front/call-log.ts',
]

t.test('ages and limits are not measured with the clock of the day', async (t) => {
  for (const file of await sources()) {
    if (!/^(gateway|shared|client)\//.test(file) || DAY_CLOCKS.includes(file)) continue
    t.notMatch(await readFile(join(ROOT, file), 'utf8'), 'Date.now', file)
  }
})

t.test('imports run one way', async (t) => {
  for (const { file, specifier } of await imports()) {
    if (!specifier.startsWith('.')) continue
    const part = partOf(file)
    const target = relative(ROOT, resolve(ROOT, dirname(file), specifier))
    const isAllowed = ALLOWED[part]!.some((prefix) => target.startsWith(prefix))
    t.ok(isAllowed, `${file} may import ${target}`)
  }
})

t.test('a library enters through one place', async (t) => {
  for (const { file, specifier } of await imports()) {
    const door = Object.keys(DOORS).find(
      (name) => specifier === name || specifier.startsWith(`${name}/`),
    )
    if (door === undefined) continue
    t.ok(
      DOORS[door]!.some((prefix) => file.startsWith(prefix)),
      `${file} may import ${specifier}`,
    )
  }
})

function partOf(file: string): string {
  return Object.keys(ALLOWED)
    .filter((prefix) => file.startsWith(`${prefix}/`))
    .reduce((longest, prefix) => (prefix.length > longest.length ? prefix : longest), '')
}

async function imports(): Promise<{ file: string; specifier: string }[]> {
  const found: { file: string; specifier: string }[] = []
  for (const file of await sources()) {
    const text = await readFile(join(ROOT, file), 'utf8')
    const forms = [/^(?:import|export)\s[^;'"]*?from\s+'([^']+)'/gm, /\bimport\('([^']+)'\)/g]
    for (const form of forms) {
      for (const [, specifier] of text.matchAll(form)) found.push({ file, specifier: specifier! })
    }
  }
  return found
}

async function sources(): Promise<string[]> {
  const parts = [...new Set(Object.keys(ALLOWED).map((prefix) => prefix.split('/')[0]!))]
  const files: string[] = []
  for (const part of parts) {
    for (const entry of await readdir(join(ROOT, part), { recursive: true, withFileTypes: true })) {
      if (entry.isFile() && entry.name.endsWith('.ts')) {
        files.push(relative(ROOT, join(entry.parentPath, entry.name)))
      }
    }
  }
  return files
}
