// What one would write over NATS without Callgate, and the transport itself.

import type { Nats, Testbed } from '../testbed.js'
import { peerCommand } from './alone.js'
import type { StartSubject, Subject } from './subject.js'

/** Fastify and nc.request(), with one responder. */
export const startFastifyNats: StartSubject = async (testbed, { nats }) => {
  const responder = await testbed.startServer('fastify-nats-responder', [
    ...peerCommand('fastify-nats-responder'),
    nats.url,
  ])
  await responder.line('ready', testbed.signal)
  const front = await testbed.startServer('fastify-nats', [
    ...peerCommand('fastify-nats'),
    nats.url,
  ])
  const { url } = await front.line('listening', testbed.signal)
  return {
    name: 'fastify-nats',
    origin: String(url),
    processes: [
      { name: 'fastify', pid: front.pid },
      { name: 'nats-server', pid: nats.pid },
      { name: 'responder', pid: responder.pid },
    ],
  }
}

/** One end of a pipe over NATS; the load is the other. */
export const startNatsPipe: StartSubject = async (testbed, { nats }) => {
  const command = [...peerCommand('nats-pipe-subscriber'), nats.url]
  const subscriber = await testbed.startServer('nats-pipe-subscriber', command)
  await subscriber.line('ready', testbed.signal)
  return {
    name: 'nats-pipe',
    origin: nats.url,
    processes: [
      { name: 'nats-server', pid: nats.pid },
      { name: 'subscriber', pid: subscriber.pid },
    ],
  }
}

/** The far end of a bare nc.request(); the load is the near one. */
export const startNatsRequest: StartSubject = async (testbed, { nats }) => {
  const command = [...peerCommand('nats-responder'), nats.url]
  const responder = await testbed.startServer('nats-responder', command)
  await responder.line('ready', testbed.signal)
  return {
    name: 'nc.request()',
    origin: nats.url,
    processes: [
      { name: 'nats-server', pid: nats.pid },
      { name: 'responder', pid: responder.pid },
    ],
  }
}

/** node:http in front of a NATS queue group of so many members. */
export async function startQueueGroup(
  testbed: Testbed,
  nats: Nats,
  members: number,
): Promise<Subject> {
  for (let number = 1; number <= members; number += 1) {
    const command = [...peerCommand('queue-group-member'), nats.url]
    const member = await testbed.startServer(`queue group member ${number}`, command)
    await member.line('ready', testbed.signal)
  }
  const command = [...peerCommand('queue-group-front'), nats.url]
  const front = await testbed.startServer('queue group front', command)
  const { url } = await front.line('listening', testbed.signal)
  return {
    name: 'queue group',
    origin: String(url),
    processes: [{ name: 'front', pid: front.pid }],
  }
}
