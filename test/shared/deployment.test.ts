import t from 'tap'
import {
  deploymentOf,
  readTraffic,
  sharesOf,
  type Traffic,
  weightOf,
  withWeight,
  writeTraffic,
} from '../../shared/deployment.js'
import { FUNCTION_VERSION, type Manifest } from '../../shared/manifest.js'

// Which manifest it is is all that counts here.
function versions(...names: string[]): Map<string, Manifest> {
  return new Map(names.map((name) => [name, { name } as Manifest]))
}

t.test('a function without a version is none', (t) => {
  t.equal(deploymentOf(new Map(), { main: 100 }), null)
  t.end()
})

t.test('one version has all calls, and runners of others get none', (t) => {
  t.same(deploymentOf(versions('main'), null)?.traffic, { main: 100 })
  t.same(deploymentOf(versions('v2'), null)?.traffic, { v2: 100 })
  t.end()
})

t.test('a version that has no weight yet has no calls', (t) => {
  t.same(deploymentOf(versions('v2', 'main'), null)?.traffic, { main: 100 })
  t.end()
})

t.test('weights of versions that are gone leave no function without calls', (t) => {
  t.same(deploymentOf(versions('main'), { v2: 100 })?.traffic, { main: 100 })
  t.same(deploymentOf(versions('v3'), { v2: 100, v3: 0 })?.traffic, { v3: 100 })
  t.end()
})

t.test('the version with the most weight leads', (t) => {
  t.equal(deploymentOf(versions('main', 'v2'), { main: 90, v2: 10 })?.manifest.name, 'main')
  t.equal(deploymentOf(versions('main', 'v2'), { main: 10, v2: 90 })?.manifest.name, 'v2')
  t.end()
})

t.test('shares are percentages of the versions that are there', (t) => {
  const shares = (names: string[], traffic: Traffic | null) =>
    sharesOf(deploymentOf(versions(...names), traffic)!)
  t.same(shares(['main'], null), { main: 100 })
  t.same(shares(['main', 'v2'], { main: 3, v2: 1 }), { main: 75, v2: 25 })
  t.same(shares(['main', 'v2'], { main: 30, v3: 70 }), { main: 100 })
  t.same(shares(['v1', 'v2'], { v1: 0, v2: 100 }), { v2: 100 })
  t.end()
})

t.test('a version may have the name of what every object has', (t) => {
  const deployment = deploymentOf(versions('main', 'constructor'), { main: 100 })!
  t.same(sharesOf(deployment), { main: 100 })
  t.same(withWeight(deployment, 'main', 50), { constructor: 50, main: 50 })
  t.equal(weightOf({ main: 100 }, 'constructor'), 0)
  t.end()
})

t.test('a weight is a percentage, of which the others share the rest', (t) => {
  const weighed = (
    names: string[],
    traffic: Traffic | null,
    ...[version, weight]: [string, number]
  ) => withWeight(deploymentOf(versions(...names), traffic)!, version, weight)
  t.same(weighed(['main', 'v2'], null, 'v2', 10), { main: 90, v2: 10 })
  const three = ['main', 'v2', 'v3']
  t.same(weighed(three, { main: 90, v2: 10 }, 'v3', 50), { main: 45, v2: 5, v3: 50 })
  t.same(weighed(['main', 'v2'], { main: 90, v2: 10 }, 'v2', 25), { main: 75, v2: 25 })
  t.same(weighed(['v2'], { v2: 100 }, 'v2', 25), { v2: 100 }, 'there is nobody for the rest')
  t.same(weighed(['main', 'v2'], null, 'v2', 0), { main: 100, v2: 0 })
  t.same(weighed(['v1', 'v2'], { v1: 100 }, 'v2', 10), { v1: 90, v2: 10 }, 'all have names')
  t.end()
})

t.test('the version that has all may be given less: the rest goes to the only other one', (t) => {
  const deployment = (...names: string[]) => deploymentOf(versions(...names), { v1: 0, v2: 100 })!
  t.same(withWeight(deployment('v1', 'v2'), 'v2', 50), { v1: 50, v2: 50 })
  t.same(withWeight(deployment('v1', 'v2'), 'v2', 100), { v2: 100 })
  t.equal(withWeight(deployment('v1', 'v2', 'v3'), 'v2', 50), null, 'nobody said to which')
  t.same(withWeight(deployment('v1', 'v2', 'v3'), 'v2', 100), { v2: 100 })
  t.end()
})

t.test('what a rollback has set says so, and is weights to readers that do not know it', (t) => {
  for (const isRollback of [true, false]) {
    const setting = { traffic: { main: 90, v2: 10 }, isRollback }
    t.same(readTraffic(writeTraffic(setting)), setting)
  }
  // Of releases before: a name of a version, and a number from 0 to 100.
  const text = writeTraffic({ traffic: { main: 100 }, isRollback: true })
  const entries = Object.entries(JSON.parse(text) as Record<string, unknown>)
  t.ok(entries.every(([version]) => FUNCTION_VERSION.test(version)))
  const weights = entries.filter(([, weight]) => weight !== 0)
  t.same(weights, [['main', 100]], 'nothing else has calls')
  t.end()
})

t.test('what is not a set of weights is none', (t) => {
  const weights = { traffic: { main: 90, v2: 10 }, isRollback: false }
  t.same(readTraffic('{"main":90,"v2":10}'), weights)
  for (const text of ['', '{', '[]', 'null', '{"main":"90"}', '{"main":-1}', '{"a.b":1}']) {
    t.equal(readTraffic(text), null, text)
  }
  t.end()
})
