// What the documents name is there: settings, metrics, and the files and headings that links lead to.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { stateSettings } from '../cli/state-dir.js'
import { METRICS } from '../gateway/metrics/definitions.js'
import {
  gatewaySettings,
  logSettings,
  natsSettings,
  runnerSettings,
  variableName,
} from '../shared/config.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const NOT_OURS = new Set(['node_modules', 'dist', '.git', '.callgate', '.tap'])

const IN_PRODUCTION = variablesOf(gatewaySettings, natsSettings, runnerSettings, logSettings)
/** The nats-server of development and tests is looked for before there are settings. */
const KNOWN = new Set([...IN_PRODUCTION, ...variablesOf(stateSettings), 'CALLGATE_NATS_SERVER'])

t.test('every variable in a document for users is a setting', async (t) => {
  for (const document of ['README.md', 'OPERATIONS.md', 'SECURITY.md', 'examples/README.md']) {
    const named = read(document).match(/\bCALLGATE_\w+/g) ?? []
    t.same([...new Set(named)].filter((name) => !KNOWN.has(name)).sort(), [], document)
  }
})

t.test('every setting is in a table of README.md or OPERATIONS.md', async (t) => {
  const rows = `${read('README.md')}\n${read('OPERATIONS.md')}`
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .join('\n')
  t.same(
    [...IN_PRODUCTION].filter((name) => !rows.includes(`\`${name}\``)),
    [],
  )
})

t.test('the metrics in OPERATIONS.md are those that there are', async (t) => {
  const named: string[] = read('OPERATIONS.md').match(/\bcallgate_[a-z_]+/g) ?? []
  const known = METRICS.map(({ name }) => name)
  t.same(
    known.filter((name) => !named.includes(name)),
    [],
    'all of them',
  )
  const base = (name: string) => name.replace(/_(bucket|sum|count)$/, '')
  t.same(
    named.filter((name) => !known.includes(base(name))),
    [],
    'and no other',
  )
})

t.test('every link within the repository leads somewhere', async (t) => {
  const documents = markdownFiles('')
  t.ok(documents.includes('README.md') && documents.includes('examples/README.md'))
  for (const document of documents) {
    t.same(
      linksIn(read(document)).filter((link) => !isThere(document, link)),
      [],
      document,
    )
  }
})

function variablesOf(...groups: readonly object[]): Set<string> {
  return new Set(groups.flatMap((settings) => Object.keys(settings).map(variableName)))
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

function markdownFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return NOT_OURS.has(entry.name) ? [] : markdownFiles(path)
    return entry.name.endsWith('.md') ? [path] : []
  })
}

/** Those that name no other place. */
function linksIn(text: string): string[] {
  return [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link!)
    .filter((link) => !/^[a-z]+:/.test(link))
}

function isThere(document: string, link: string): boolean {
  const [path = '', heading] = link.split('#')
  const target = path === '' ? document : join(dirname(document), decodeURI(path))
  if (statSync(join(ROOT, target), { throwIfNoEntry: false }) === undefined) return false
  return heading === undefined || headingsIn(read(target)).has(heading)
}

/** As GitHub and others make anchors of them. */
function headingsIn(text: string): Set<string> {
  const headings = [...withoutBlocks(text).matchAll(/^#+ +(.*)$/gm)].map(([, heading]) => heading!)
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

/** Without code, in which brackets mean something else. */
function prose(text: string): string {
  return withoutBlocks(text).replaceAll(/`[^`\n]*`/g, '')
}

function withoutBlocks(text: string): string {
  return text.replaceAll(/^```.*?^```/gms, '')
}
