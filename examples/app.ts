// A Hono application behind the gateway, as it is. Anything with a `fetch` mounts the same way. Its page at
// /app/ talks to the other examples from a browser; the page's files are in `web/`.

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { type CallContext, defineFunction } from 'callgate'
import { Hono } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { html } from 'hono/html'
import { streamText } from 'hono/streaming'
import { z } from 'zod'

const Message = z.object({ name: z.string().min(1), text: z.string().min(1) })

const PAGE_FILES: Readonly<Record<string, { path: string; contentType: string }>> = {
  'index.html': { path: 'web/index.html', contentType: 'text/html; charset=utf-8' },
  'style.css': { path: 'web/style.css', contentType: 'text/css; charset=utf-8' },
  'main.js': { path: 'web/main.js', contentType: 'text/javascript; charset=utf-8' },
  'callgate.js': { path: 'web/callgate.js', contentType: 'text/javascript; charset=utf-8' },
  'event-stream.js': { path: 'web/event-stream.js', contentType: 'text/javascript; charset=utf-8' },
  'wav.js': { path: 'web/wav.js', contentType: 'text/javascript; charset=utf-8' },
  'two-sentences.wav': { path: 'audio/two-sentences.wav', contentType: 'audio/wav' },
}
const PAGE_POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"

// The call's context is Hono's environment: c.env.log, c.env.signal, c.env.callId.
const site = new Hono<{ Bindings: CallContext<undefined> }>()
const app = site.basePath('/app')

site.get('/app/', async (c) => (await pageFile('index.html')) ?? c.notFound())

app.get('/web/:name', async (c) => (await pageFile(c.req.param('name'))) ?? c.notFound())

app.get('/', (c) =>
  c.html(html`<!doctype html>
    <title>Callgate</title>
    <h1>Hello, ${c.req.query('name') ?? 'world'}!</h1>
    <p>This page was made by call ${c.env.callId}.</p>`),
)

app.get('/status', (c) => c.json({ ok: true, callId: c.env.callId }))

app.get('/items/:id', (c) => c.json({ id: c.req.param('id'), query: c.req.query() }))

app.get('/count/:to{[0-9]{1,4}}', (c) =>
  streamText(c, async (stream) => {
    const to = Number(c.req.param('to'))
    for (let n = 1; n <= to && !stream.aborted; n++) {
      await stream.writeln(String(n))
      await stream.sleep(10)
    }
  }),
)

app.get('/visits', (c) => {
  const visits = (Number(getCookie(c, 'visits')) || 0) + 1
  setCookie(c, 'visits', String(visits), { path: '/app', httpOnly: true, sameSite: 'Lax' })
  return c.json({ visits })
})

app.post('/messages', async (c) => {
  const isJson = c.req.header('content-type')?.startsWith('application/json')
  const body = await (isJson ? c.req.json() : c.req.parseBody()).catch(() => null)
  const message = Message.safeParse(body)
  if (message.success) return c.json(message.data, 201)
  return c.json({ error: 'Send a name and a text, as JSON or as a form.' }, 400)
})

site.notFound((c) => c.json({ error: `There is no page ${c.req.path} here.` }, 404))

export default defineFunction({
  auth: 'public',
  maxInputs: 100,
  fetch: (request, context) => site.fetch(request, context),
})

async function pageFile(name: string): Promise<Response | null> {
  const file = Object.hasOwn(PAGE_FILES, name) ? PAGE_FILES[name] : undefined
  if (file === undefined) return null
  return new Response(await readFile(new URL(file.path, examplesFolder())), {
    headers: {
      'content-type': file.contentType,
      'content-security-policy': PAGE_POLICY,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-cache',
    },
  })
}

/** Compiled, this file lies two folders away from the page's. */
function examplesFolder(): URL {
  const beside = new URL('./', import.meta.url)
  return existsSync(new URL('web/', beside)) ? beside : new URL('../../examples/', import.meta.url)
}
