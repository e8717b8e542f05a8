// Gateways for language models. They take nothing but OpenAI's protocol, so their call is a chat completion
// whose one message is the call's body, from a provider of ours that answers the same message.

import { join } from 'node:path'
import { freePort } from '../free-port.js'
import { PEER_FOLDERS } from '../peer-packages.js'
import { peerCommand, startAlone } from './alone.js'
import type { OwnCall, StartSubject } from './subject.js'

const MASTER_KEY = 'sk-loadtest'

export const startPortkey =
  (message: string): StartSubject =>
  async (testbed) => {
    const provider = await startAlone(testbed, 'chat-stub')
    const port = await freePort()
    const directory = join(
      PEER_FOLDERS.installed,
      'portkey',
      'node_modules',
      '@portkey-ai',
      'gateway',
    )
    const [node, loopbackOnly] = peerCommand('loopback-only')
    const gateway = await testbed.startServer('portkey', [
      ...['env', 'NODE_ENV=production', node!, '--import', loopbackOnly!],
      ...[join(directory, 'build', 'start-server.js'), `--port=${port}`],
    ])
    return {
      name: 'portkey',
      origin: `http://127.0.0.1:${port}`,
      processes: [{ name: 'portkey', pid: gateway.pid }, ...provider.processes],
      ownCall: chatCall(message, {
        authorization: 'Bearer unused',
        'x-portkey-provider': 'openai',
        'x-portkey-custom-host': `${provider.origin}/v1`,
      }),
    }
  }

export const startLitellm =
  (message: string): StartSubject =>
  async (testbed) => {
    const provider = await startAlone(testbed, 'chat-stub')
    const port = await freePort()
    const environment = [
      ...[`UPSTREAM=${provider.origin}/v1`, `LITELLM_MASTER_KEY=${MASTER_KEY}`],
      ...['LITELLM_MODE=PRODUCTION', 'LITELLM_LOG=ERROR'],
      // Else it fetches its list of prices from the internet.
      'LITELLM_LOCAL_MODEL_COST_MAP=True',
    ]
    const proxy = await testbed.startServer('litellm', [
      ...['env', ...environment, join(PEER_FOLDERS.installed, 'litellm', 'bin', 'litellm')],
      ...['--host', '127.0.0.1', '--port', String(port)],
      ...['--config', join(PEER_FOLDERS.sources, 'litellm', 'config.yaml')],
    ])
    return {
      name: 'litellm',
      origin: `http://127.0.0.1:${port}`,
      processes: [{ name: 'litellm', pid: proxy.pid }, ...provider.processes],
      ownCall: chatCall(message, { authorization: `Bearer ${MASTER_KEY}` }),
    }
  }

function chatCall(message: string, headers: Readonly<Record<string, string>>): OwnCall {
  return {
    path: '/v1/chat/completions',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'echo', messages: [{ role: 'user', content: message }] }),
    answerPart: `"content":${JSON.stringify(message)}`,
  }
}
