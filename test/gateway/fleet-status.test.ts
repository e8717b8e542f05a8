import t from 'tap'
import { withRegistry } from '../../cli/registry-session.js'
import { defineFunction } from '../../runner/define-function.js'
import { natsSettings, readConfig } from '../../shared/config.js'
import { System } from '../support/system.js'

// The slots of every version were added up: after a promotion to one without runners all calls waited in
// vain, and /fleet, and the alert that OPERATIONS.md shows, saw a function with free slots.
t.test('slots are those that calls can have', async (t) => {
  const system = await System.start(t)
  const embed = defineFunction({ name: 'embed', maxInputs: 3, run: () => 1 })
  const { manifest } = await system.serve(embed)
  t.match(await system.state('embed'), { slots: 3, freeSlots: 3, slotsByVersion: { main: 3 } })

  const config = readConfig(natsSettings, { natsUrl: system.nats.url }, {})
  await withRegistry(config, async (registry) => {
    await registry.put(manifest, 'v2')
    await registry.edit((draft) => draft.setTraffic('embed', { v2: 100 }))
  })
  const unserved = await system.until('embed', ({ slots }) => slots === 0)
  t.match(unserved, { freeSlots: 0, slotsByVersion: { main: 3, v2: 0 } })

  await system.serve(embed, { version: 'v2' })
  t.match(await system.state('embed'), { slots: 3, slotsByVersion: { main: 3, v2: 3 } })
})

t.test('a function that nobody has registered has those of all its runners', async (t) => {
  const system = await System.start(t)
  const quiet = defineFunction({ name: 'quiet', run: () => 1 })
  await system.serve(quiet, {}, { register: false })
  await system.serve(quiet, { version: 'v2' }, { register: false })
  const { slots, slotsByVersion, isRegistered } = await system.state('quiet')
  t.same(
    { slots, slotsByVersion, isRegistered },
    {
      slots: 2,
      slotsByVersion: { main: 1, v2: 1 },
      isRegistered: false,
    },
  )
})
