import t from 'tap'
import { sharesOf, type Traffic } from '../../shared/deployment.js'
import { type Manifest, ManifestError } from '../../shared/manifest.js'
import { RegistryDraft } from '../../shared/registry-draft.js'
import { RegistryView } from '../../shared/registry-view.js'

const EMBED: Manifest = {
  version: 1,
  name: 'embed',
  form: 'run',
  routes: ['POST /embed'],
  auth: 'public',
  maxInputs: 1,
  timeoutMs: null,
  maxBodyBytes: null,
  firstByteMs: null,
  idleMs: null,
  pingMs: null,
  maxMessageBytes: 1024,
  idempotent: false,
  runsOnce: false,
  maxAttempts: 3,
  affinity: null,
  loadTimeoutMs: 600_000,
}

/** A registry that has these versions of `embed`. */
function entriesOf(versions: readonly string[], traffic: Traffic | null): Map<string, string> {
  const entries = new Map<string, string>()
  for (const version of versions) {
    entries.set(version === 'main' ? 'embed' : `embed.${version}`, JSON.stringify(EMBED))
  }
  if (traffic !== null) entries.set('_traffic.embed', JSON.stringify(traffic))
  return entries
}

/** What gateways see one after the other: the shares after each change; null where the function is gone. */
function sharesSeen(
  entries: ReadonlyMap<string, string>,
  { changes }: RegistryDraft,
): (Traffic | null)[] {
  const view = new RegistryView()
  for (const [key, text] of entries) view.put(key, text)
  return changes.map(({ key, text }) => {
    if (text === null) view.delete(key)
    else view.put(key, text)
    const deployment = view.deployment('embed')
    return deployment === null ? null : sharesOf(deployment)
  })
}

// A version whose name sorted before the one that was live had all calls as soon as its runner had
// registered: before it had loaded, and before anybody had given it a weight.
const LIVE: readonly [live: string[], traffic: Traffic | null, put: string][] = [
  [['v9'], null, 'v10'],
  [['v9'], null, 'main'],
  [['main'], null, 'v2'],
  [['v1', 'v2'], { v1: 90, v2: 10 }, 'v0'],
  [['v2'], { v1: 100 }, 'v1'],
  [['v2'], { v1: 50, v2: 50 }, 'v1'],
  [['v2', 'v3'], null, 'v1'],
]
for (const [live, traffic, put] of LIVE) {
  t.test(`${put} beside ${live.join(', ')} moves no calls: ${JSON.stringify(traffic)}`, (t) => {
    const entries = entriesOf(live, traffic)
    const draft = new RegistryDraft(entries)
    const before = sharesOf(draft.deployment('embed')!)
    draft.put(EMBED, put)
    const seen = sharesSeen(entries, draft)
    t.not(seen.length, 0)
    for (const shares of seen) t.same(shares, before)
    t.ok(draft.deployment('embed')?.versions.has(put))
    t.end()
  })
}

t.test('what a lost registry had is put back without a word of its share', (t) => {
  // The first of two versions that was back was written down to have all calls.
  for (const order of [
    ['v2', 'main'],
    ['main', 'v2'],
  ]) {
    const draft = new RegistryDraft(new Map())
    for (const version of order) draft.putBack(EMBED, version)
    draft.putBack(EMBED, 'v2')
    t.same(draft.changes.map(({ key }) => key).sort(), ['embed', 'embed.v2'])
    t.same(sharesOf(draft.deployment('embed')!), { main: 100 })
  }
  t.end()
})

t.test('the first version has everything; what is there already is not written again', (t) => {
  const draft = new RegistryDraft(new Map())
  draft.put(EMBED, 'v1')
  t.same(sharesOf(draft.deployment('embed')!), { v1: 100 })
  draft.put(EMBED, 'v1')
  draft.setTraffic('embed', { v1: 100 })
  draft.setTraffic('embed', { v1: 100 })
  t.same(
    draft.changes.map(({ key }) => key),
    ['embed.v1', '_traffic.embed'],
  )
  t.throws(() => draft.put({ ...EMBED, maxInputs: 0 }, 'v2'), ManifestError)
  t.end()
})

t.test('the shares of before are on record when weights are set for the first time', (t) => {
  for (const live of ['main', 'v1']) {
    const draft = new RegistryDraft(entriesOf([live, 'v2'], null))
    draft.setTraffic('embed', { v2: 100 })
    t.same(
      draft.changes.map(({ text }) => JSON.parse(text!)),
      [{ [live]: 100 }, { v2: 100 }],
    )
  }
  t.end()
})

t.test('a version is taken out unless it has calls', (t) => {
  const of = (versions: string[], traffic: Traffic | null) =>
    new RegistryDraft(entriesOf(versions, traffic))
  t.equal(of(['main', 'v2'], { main: 90, v2: 10 }).deleteVersion('embed', 'v2'), 'has calls')
  t.equal(of(['v1'], null).deleteVersion('embed', 'v1'), 'has calls', 'it is the only one')
  t.equal(of(['main'], null).deleteVersion('embed', 'v2'), 'absent')
  const weighted = of(['v1', 'v2'], { v1: 0, v2: 100 })
  t.equal(weighted.deleteVersion('embed', 'v1'), 'deleted')
  t.same(weighted.changes, [{ key: 'embed.v1', text: null }])
  t.end()
})

t.test(
  'runners of a version that was taken out have no calls, though the rest needs no weights',
  (t) => {
    const draft = new RegistryDraft(entriesOf(['main', 'v2'], null))
    t.equal(draft.deleteVersion('embed', 'v2'), 'deleted')
    t.same(draft.deployment('embed')?.traffic, { main: 100 })
    t.end()
  },
)

t.test('as a function is taken out, no version has calls that had none', (t) => {
  const entries = entriesOf(['main', 'v1', 'v2', 'v3'], { v1: 90, v3: 10 })
  const draft = new RegistryDraft(entries)
  draft.delete('embed')
  const seen = sharesSeen(entries, draft)
  t.same(seen, [{ v1: 90, v3: 10 }, { v1: 90, v3: 10 }, { v1: 100 }, null, null])
  t.equal(draft.changes.at(-1)?.key, '_traffic.embed')
  t.end()
})

t.test('what cannot be read can be taken out; weights are no function', (t) => {
  const draft = new RegistryDraft(
    new Map([
      ['embed.v1', '{'],
      ['_traffic.embed', '{}'],
    ]),
  )
  t.equal(draft.deployment('embed'), null)
  t.equal(draft.has('embed'), true)
  t.equal(draft.has('_traffic'), false)
  t.equal(draft.deleteVersion('embed', 'v1'), 'deleted')
  draft.delete('embed')
  t.same(
    draft.changes.map(({ key, text }) => [key, text]),
    [
      ['embed.v1', null],
      ['_traffic.embed', null],
    ],
  )
  t.end()
})
