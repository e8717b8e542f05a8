// The provider behind the gateways for language models: OpenAI's chat completions on node:http, with the
// last message as the answer.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

interface ChatRequest {
  readonly messages: readonly { readonly content: string }[]
}

const server = createServer((request, response) => {
  // LiteLLM asks for /v1/models at its start.
  if (request.method === 'GET') {
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end('{"object":"list","data":[]}')
    return
  }
  const chunks: Buffer[] = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    const { messages } = JSON.parse(Buffer.concat(chunks).toString()) as ChatRequest
    const answer = completionOf(messages.at(-1)!.content)
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(answer),
    })
    response.end(answer)
  })
})

server.listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  console.log(JSON.stringify({ msg: 'listening', url }))
})

function completionOf(content: string): string {
  return JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'echo',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  })
}
