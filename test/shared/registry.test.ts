import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type KV, Kvm, type KvWatchEntry } from '@nats-io/kv'
import t, { type Test } from 'tap'
import { type Deployment, sharesOf } from '../../shared/deployment.js'
import { type Manifest, ManifestError } from '../../shared/manifest.js'
import { Follower, Registry } from '../../shared/registry.js'
import { RegistryUnavailable } from '../../shared/registry-fault.js'
import { readEntries } from '../../shared/registry-writer.js'
import { subjectsIn } from '../../shared/subjects.js'
import { startTestNats } from '../support/nats.js'
import { openTestBus, until } from './test-bus.js'

const subjects = subjectsIn('callgate')

t.test('what was put can be got and is listed; what was deleted is gone', async (t) => {
  const { registry } = await openRegistry(t)
  t.equal(await registry.get('embed'), null)
  t.equal((await registry.list()).size, 0)
  await registry.put(manifest('embed'))
  await registry.put(manifest('answer', { maxInputs: 3 }))
  await registry.put(manifest('embed', { maxInputs: 9 }))
  t.same(await registry.get('embed'), manifest('embed', { maxInputs: 9 }))
  t.same([...(await registry.list()).keys()].sort(), ['answer', 'embed'])
  t.equal(await registry.delete('embed'), true)
  t.equal(await registry.delete('embed'), false)
  t.equal(await registry.delete('never'), false)
  t.equal(await registry.get('embed'), null)
  t.same([...(await registry.list()).keys()], ['answer'])
  await registry.put(manifest('embed'))
  t.same(await registry.get('embed'), manifest('embed'), 'and can be put again')
})

t.test('a manifest with a fault is not put', async (t) => {
  const { registry } = await openRegistry(t)
  await t.rejects(registry.put(manifest('embed', { maxInputs: 0 })), ManifestError)
  t.equal((await registry.list()).size, 0)
})

t.test('a second one opens the same registry', async (t) => {
  const { registry, url } = await openRegistry(t)
  await registry.put(manifest('embed'))
  const other = await Registry.open(await openTestBus(t, url), subjects, { replicas: 1 })
  t.same([...(await other.list()).keys()], ['embed'])
})

t.test('namespaces do not see each other', async (t) => {
  const { registry, url } = await openRegistry(t)
  await registry.put(manifest('embed'))
  const other = await Registry.open(await openTestBus(t, url), subjectsIn('other'), { replicas: 1 })
  t.equal((await other.list()).size, 0)
})

/** A watch that sends one entry, announces another, and then nothing, until it is stopped. */
function brokenOff() {
  let stop = () => {}
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  const entry = { key: 'embed', operation: 'PUT', revision: 1, delta: 1, string: () => '{}' }
  async function* entries() {
    yield entry as unknown as KvWatchEntry
    await stopped
  }
  const watch = Object.assign(entries(), { stop: () => stop() })
  return watch as unknown as Awaited<ReturnType<KV['watch']>>
}

t.test('entries that never come are not waited for without end', async (t) => {
  // A connection that was cut just then, or a bucket that was emptied, kept a gateway from its start, and
  // every later write of a process from being made.
  const status = async () => ({ values: 2, streamInfo: { state: { last_seq: 2 } } })
  const kv = { status, watch: async () => brokenOff() } as unknown as KV
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  await t.rejects(readEntries(kv, 1), RegistryUnavailable)
  const watcher = new Watcher()
  const follower = new Follower(brokenOff(), watcher, () => {})
  await t.rejects(follower.start(false, 1), RegistryUnavailable)
  t.same(watcher.changes, [], 'half of it is told nobody')
})

t.test('a watcher of an empty registry is ready at once, and sees the first put', async (t) => {
  const { registry } = await openRegistry(t)
  const seen = new Watcher()
  const stop = await registry.watch(seen)
  t.same(seen.changes, [[]])
  await registry.put(manifest('embed'))
  await until(() => seen.changes.length === 2)
  t.same(seen.changes[1], ['embed'])
  stop()
})

t.test('a watcher is told the whole registry once, then every change', async (t) => {
  const { registry } = await openRegistry(t)
  for (const name of ['a', 'b', 'c']) await registry.put(manifest(name))
  await registry.put(manifest('b', { maxInputs: 5 }))
  await registry.delete('c')
  const seen = new Watcher()
  const stop = await registry.watch(seen)
  t.same(seen.changes, [['a', 'b']], 'once it has been read')
  t.equal(seen.latest.get('b')?.manifest.maxInputs, 5, 'as it stands now')
  await registry.put(manifest('a', { maxInputs: 7 }))
  await until(() => seen.changes.length === 2)
  t.equal(seen.latest.get('a')?.manifest.maxInputs, 7)
  await registry.delete('a')
  await until(() => seen.changes.length === 3)
  t.same(seen.changes[2], ['b'])
  stop()
})

t.test('a watcher of a registry in which all was deleted is ready', async (t) => {
  const { registry } = await openRegistry(t)
  await registry.put(manifest('a'))
  await registry.delete('a')
  const seen = new Watcher()
  const stop = await registry.watch(seen)
  t.same(seen.changes, [[]])
  stop()
})

t.test('what a watcher was given does not change under it', async (t) => {
  const { registry } = await openRegistry(t)
  const seen = new Watcher()
  const stop = await registry.watch(seen)
  const before = seen.latest
  await registry.put(manifest('a'))
  await until(() => seen.changes.length === 2)
  t.equal(before.size, 0)
  stop()
})

t.test('an ended watch is not told any more', async (t) => {
  const { registry } = await openRegistry(t)
  const [ended, other] = [new Watcher(), new Watcher()]
  const stop = await registry.watch(ended)
  const stopOther = await registry.watch(other)
  stop()
  await registry.put(manifest('a'))
  await until(() => other.changes.length === 2)
  t.equal(ended.changes.length, 1)
  stopOther()
})

t.test('an entry that cannot be read is reported and left out, the others are there', async (t) => {
  const { registry, kv } = await openRegistry(t)
  await registry.put(manifest('good'))
  await kv.put('rubbish', '{')
  await kv.put('newer', JSON.stringify({ ...manifest('newer'), version: 2 }))
  const seen = new Watcher()
  const stop = await registry.watch(seen)
  t.same(seen.changes, [['good']])
  t.same(new Set(seen.unreadable), new Set(['rubbish', 'newer']))
  t.same([...(await registry.list()).keys()], ['good'])
  await t.rejects(registry.get('rubbish'), ManifestError)
  stop()
})

t.test(
  'a function whose entry becomes unreadable is left out, and is back when it is put again',
  async (t) => {
    const { registry, kv } = await openRegistry(t)
    await registry.put(manifest('a'))
    const seen = new Watcher()
    const stop = await registry.watch(seen)
    await kv.put('a', 'rubbish')
    await until(() => seen.changes.length === 2)
    t.same(seen.changes[1], [])
    t.same(seen.unreadable, ['a'])
    await registry.put(manifest('a'))
    await until(() => seen.changes.length === 3)
    t.same(seen.changes[2], ['a'])
    stop()
  },
)

t.test(
  'an entry under another name than its own cannot be read: it would stand for two functions',
  async (t) => {
    const { registry, kv } = await openRegistry(t)
    await kv.put('alias', JSON.stringify(manifest('embed')))
    const seen = new Watcher()
    const stop = await registry.watch(seen)
    t.same(seen.changes, [[]])
    t.same(seen.unreadable, ['alias'])
    stop()
  },
)

t.test('a watch goes on after the server was restarted', async (t) => {
  const stateDir = await mkdtemp(join(tmpdir(), 'callgate-registry-'))
  t.teardown(() => rm(stateDir, { recursive: true, force: true }))
  const first = await startTestNats(t, { stateDir })
  const bus = await openTestBus(t, first.url)
  const registry = await Registry.open(bus, subjects, { replicas: 1 })
  await registry.put(manifest('a'))
  const seen = new Watcher()
  const stop = await registry.watch(seen)
  await first.stop()
  await until(() => !bus.isConnected)
  const second = await startTestNats(t, { stateDir, port: Number(new URL(first.url).port) })
  await until(() => bus.isConnected)
  const other = await Registry.open(await openTestBus(t, second.url), subjects, { replicas: 1 })
  await other.put(manifest('b'))
  await until(() => seen.latest.has('b'))
  t.same([...seen.latest.keys()].sort(), ['a', 'b'])
  stop()
})

t.test('many puts at once are all seen, the last of each name counts', async (t) => {
  const { registry } = await openRegistry(t)
  const seen = new Watcher()
  const stop = await registry.watch(seen)
  await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      for (let maxInputs = 1; maxInputs <= 3; maxInputs++) {
        await registry.put(manifest(`f${index}`, { maxInputs }))
      }
    }),
  )
  await until(
    () =>
      [...seen.latest.values()].filter(({ manifest }) => manifest.maxInputs === 3).length === 50,
  )
  stop()
})

t.test('more replicas than there are servers is a sentence', async (t) => {
  const { url } = await startTestNats(t)
  const bus = await openTestBus(t, url)
  await t.rejects(Registry.open(bus, subjects, { replicas: 3 }), RegistryUnavailable)
})

t.test('versions of one function stand beside each other, with their weights', async (t) => {
  const { registry } = await openRegistry(t)
  await registry.put(manifest('embed'))
  const seen = new Watcher()
  const stop = await registry.watch(seen)
  t.same(seen.latest.get('embed')?.traffic, { main: 100 }, 'there is one')
  await registry.put(manifest('embed', { maxInputs: 2 }), 'v2')
  await until(() => seen.latest.get('embed')?.versions.size === 2)
  t.same(seen.latest.get('embed')?.traffic, { main: 100 }, 'a new version waits for its weight')

  await registry.edit((draft) => draft.setTraffic('embed', { main: 90, v2: 10 }))
  await registry.edit((draft) => draft.setTraffic('embed', { v2: 100 }))
  await until(() => seen.latest.get('embed')?.traffic?.v2 === 100)
  t.equal(seen.latest.get('embed')?.manifest.maxInputs, 2, 'it leads now')
  t.same((await registry.list()).get('embed')?.traffic, { v2: 100 })
  const weights = (await registry.trafficHistory('embed')).map(({ traffic }) => traffic)
  t.same(weights, [{ main: 100 }, { main: 90, v2: 10 }, { v2: 100 }])

  await registry.edit((draft) => draft.deleteVersion('embed', 'main'))
  await until(() => seen.latest.get('embed')?.versions.size === 1)
  t.equal(await registry.delete('embed'), true, 'all of it')
  await until(() => !seen.latest.has('embed'))
  t.same(await registry.trafficHistory('embed'), [], "nor is its past another one's")
  t.same(seen.unreadable, [])
  stop()
})

t.test('whoever registers at once with others takes no calls of theirs', async (t) => {
  // Which version had all calls was the first one's by name: it was another's the moment before.
  const { registry, url } = await openRegistry(t)
  const names = ['v9', 'v10', 'main', 'v1', 'v11']
  const registries = await Promise.all(
    names.map(async () => Registry.open(await openTestBus(t, url), subjects, { replicas: 1 })),
  )
  const functions = Array.from({ length: 10 }, (_, index) => `f${index}`)
  /** Which version had all calls of each function, as a gateway saw it. */
  const seen = new Map<string, Set<string>>()
  let latest: ReadonlyMap<string, Deployment> = new Map()
  const stop = await registry.watch({
    onChange: (deployments) => {
      latest = deployments
      for (const [name, deployment] of deployments) {
        const shares = Object.keys(sharesOf(deployment)).join()
        seen.set(name, (seen.get(name) ?? new Set()).add(shares))
      }
    },
    onUnreadable: (key) => t.fail(key),
    onLost: (error) => t.fail(String(error)),
  })
  await Promise.all(
    functions.flatMap((name) =>
      registries.map((each, index) => each.put(manifest(name), names[index]!)),
    ),
  )
  await until(() => functions.every((name) => latest.get(name)?.versions.size === names.length))
  for (const name of functions) t.equal(seen.get(name)?.size, 1, [...seen.get(name)!].join(' -> '))
  stop()
})

t.test('changes that meet are each made on what the other has left', async (t) => {
  const { registry, url } = await openRegistry(t)
  const other = await Registry.open(await openTestBus(t, url), subjects, { replicas: 1 })
  await registry.put(manifest('embed', { maxInputs: 1 }))
  const add = (each: Registry) =>
    each.edit((draft) => {
      const { maxInputs } = draft.deployment('embed')!.manifest
      draft.put(manifest('embed', { maxInputs: maxInputs + 1 }), 'main')
    })
  await Promise.all(Array.from({ length: 20 }, (_, index) => add(index % 2 ? registry : other)))
  t.equal((await registry.get('embed'))?.maxInputs, 21)

  const refused = registry.edit((draft) => {
    draft.delete('embed')
    throw new Error('Better not.')
  })
  await t.rejects(refused, { message: 'Better not.' })
  t.ok(await registry.get('embed'), 'nothing of it was done')
})

t.test('clearing takes out what cannot be read as well', async (t) => {
  const { registry, kv } = await openRegistry(t)
  await registry.put(manifest('embed'))
  await registry.edit((draft) => draft.setTraffic('embed', { main: 100 }))
  await kv.put('rubbish', '{')
  await registry.clear()
  t.equal((await registry.list()).size, 0)
  t.equal((await kv.get('rubbish'))?.operation, 'DEL')
})

class Watcher {
  /** The names after each change. */
  readonly changes: string[][] = []
  readonly unreadable: string[] = []
  latest: ReadonlyMap<string, Deployment> = new Map()

  onChange(deployments: ReadonlyMap<string, Deployment>): void {
    this.latest = deployments
    this.changes.push([...deployments.keys()].sort())
  }

  onUnreadable(name: string, error: ManifestError): void {
    if (error instanceof ManifestError) this.unreadable.push(name)
  }

  onLost(error: unknown): void {
    throw error
  }
}

async function openRegistry(t: Test) {
  const { url } = await startTestNats(t)
  const bus = await openTestBus(t, url)
  const registry = await Registry.open(bus, subjects, { replicas: 1 })
  const kv = await new Kvm(bus.connection).open(subjects.registryBucket)
  return { registry, kv, url }
}

function manifest(name: string, changes: Partial<Manifest> = {}): Manifest {
  return {
    version: 1,
    name,
    form: 'run',
    routes: [`POST /${name}`],
    auth: 'public',
    maxInputs: 1,
    timeoutMs: null,
    maxBodyBytes: null,
    firstByteMs: null,
    idleMs: null,
    pingMs: null,
    maxMessageBytes: 2 * 1024 * 1024,
    idempotent: false,
    runsOnce: false,
    maxAttempts: 3,
    affinity: null,
    loadTimeoutMs: 600_000,
    ...changes,
  }
}
