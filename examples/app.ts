// A Hono application behind the gateway, as it is. Anything with a `fetch` mounts the same way.

import { type CallContext, defineFunction } from 'callgate'
import { Hono } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { html } from 'hono/html'
import { streamText } from 'hono/streaming'
import { z } from 'zod'

const Message = z.object({ name: z.string().min(1), text: z.string().min(1) })

// The call's context is Hono's environment: c.env.log, c.env.signal, c.env.callId.
const app = new Hono<{ Bindings: CallContext<undefined> }>().basePath('/app')

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

app.notFound((c) => c.json({ error: `There is no page ${c.req.path} here.` }, 404))

export default defineFunction({
  auth: 'public',
  maxInputs: 100,
  fetch: (request, context) => app.fetch(request, context),
})
