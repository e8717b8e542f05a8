import t from 'tap'
import { RememberedFunctions } from '../../gateway/remembered-functions.js'
import { type Deployment, deploymentOf, sharesOf, type Traffic } from '../../shared/deployment.js'
import type { Manifest } from '../../shared/manifest.js'

// Which manifest it is is all that counts here.
function embed(names: string[], traffic: Traffic | null): Map<string, Deployment> {
  const versions = new Map(names.map((name) => [name, { name } as Manifest]))
  return new Map([['embed', deploymentOf(versions, traffic)!]])
}

function remembered(lost: ReadonlyMap<string, Deployment>) {
  const told: unknown[] = []
  const functions = new RememberedFunctions(lost, {
    onKept: (_, weights) => void told.push(['kept', weights]),
    onReplaced: (_, weights, before) => void told.push(['replaced', weights, before]),
  })
  return {
    told,
    complete: (registered: ReadonlyMap<string, Deployment>) =>
      functions.complete(registered).get('embed'),
    shares: (registered: ReadonlyMap<string, Deployment>) =>
      sharesOf(functions.complete(registered).get('embed')!),
  }
}

t.test('the version that is back first is not given every call', (t) => {
  for (const order of [
    ['main', 'v2'],
    ['v2', 'main'],
  ]) {
    const { told, shares } = remembered(embed(['main', 'v2'], { main: 90, v2: 10 }))
    t.same(shares(new Map()), { main: 90, v2: 10 })
    t.same(shares(embed(order.slice(0, 1), null)), { main: 90, v2: 10 })
    t.same(shares(embed(order, null)), { main: 90, v2: 10 })
    t.same(told, [['kept', { main: 90, v2: 10 }]], 'said once')
  }
  t.end()
})

t.test('a version that is put beside it has no calls', (t) => {
  const { told, shares } = remembered(embed(['v2'], { v2: 100 }))
  t.same(shares(embed(['v1'], null)), { v2: 100 })
  t.same(shares(embed(['v1', 'v2'], null)), { v2: 100 })
  t.equal(told.length, 1)
  t.end()
})

t.test('weights that are set hold', (t) => {
  const { told, shares } = remembered(embed(['main', 'v2'], { main: 90, v2: 10 }))
  shares(embed(['main'], null))
  t.same(shares(embed(['main', 'v2'], { main: 50, v2: 50 })), { main: 50, v2: 50 })
  t.same(told.at(-1), ['replaced', { main: 50, v2: 50 }, { main: 90, v2: 10 }])
  t.same(shares(embed(['main', 'v2'], null)), { main: 100 }, 'from then on, the registry does')
  t.end()
})

t.test('the same weights, set again, are no news', (t) => {
  const { told, shares } = remembered(embed(['main', 'v2'], { main: 90, v2: 10 }))
  t.same(shares(embed(['main', 'v2'], { main: 9, v2: 1 })), { main: 90, v2: 10 })
  t.same(told, [])
  t.end()
})

t.test('a function without weights is as the registry says, and nothing is told', (t) => {
  const { told, complete } = remembered(embed(['main'], null))
  t.same(complete(embed(['main'], null))?.traffic, { main: 100 })
  t.same(told, [])
  t.end()
})

t.test('what was registered again and is undeployed is gone', (t) => {
  const { complete } = remembered(embed(['main', 'v2'], { main: 90, v2: 10 }))
  t.ok(complete(new Map()), 'until then it stays')
  t.ok(complete(embed(['main'], null)))
  t.equal(complete(new Map()), undefined)
  t.end()
})
