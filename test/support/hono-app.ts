// A Hono application of some size, which knows nothing of Callgate: params and wildcards, middleware, cookies,
// bodies of all kinds in both directions, streams, errors. Mounted anywhere.

import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import { basicAuth } from 'hono/basic-auth'
import { bearerAuth } from 'hono/bearer-auth'
import { bodyLimit } from 'hono/body-limit'
import { compress } from 'hono/compress'
import { deleteCookie, getCookie, getSignedCookie, setCookie, setSignedCookie } from 'hono/cookie'
import { cors } from 'hono/cors'
import { csrf } from 'hono/csrf'
import { etag } from 'hono/etag'
import { html } from 'hono/html'
import { HTTPException } from 'hono/http-exception'
import { poweredBy } from 'hono/powered-by'
import { prettyJSON } from 'hono/pretty-json'
import { secureHeaders } from 'hono/secure-headers'
import { stream, streamSSE, streamText } from 'hono/streaming'
import { validator } from 'hono/validator'

export const COOKIE_SECRET = 'of a cookie'
export const BIG_BODY = new Uint8Array(1_500_000).map((_, index) => index % 251)
export const TAGGED_PAGE = 'a page that does not change'

/** @param base where it is mounted: '' or a path without a slash at its end */
export function honoApp(base: string): Hono {
  const app = new Hono().basePath(base === '' ? '/' : base)

  app.use(poweredBy())
  app.use(async (c, next) => {
    c.header('x-order', 'first', { append: true })
    await next()
    c.header('x-order', 'last', { append: true })
  })

  // ---- paths -----------------------------------------------------------------------------------------

  app.get('/', (c) => c.text('the root'))
  app.get('/hello/:name', (c) => c.json({ name: c.req.param('name') }))
  app.get('/numbers/:number{[0-9]+}', (c) => c.json({ number: Number(c.req.param('number')) }))
  app.get('/optional/:id?', (c) => c.json({ id: c.req.param('id') ?? null }))
  app.get('/two/:first/and/:second', (c) => c.json(c.req.param()))
  app.get('/files/*', (c) => c.json({ path: c.req.path }))
  app.get('/query', (c) => c.json({ all: c.req.queries(), one: c.req.query('a') ?? null }))
  app.get('/host', (c) => c.json({ url: c.req.url, host: c.req.header('host') }))
  app.get('/headers', (c) =>
    c.json({ agent: c.req.header('user-agent'), x: c.req.header('x-some'), y: c.req.header('y') }),
  )

  // ---- methods ---------------------------------------------------------------------------------------

  const items = new Hono()
  items.get('/:id', (c) => c.json({ method: 'get', id: c.req.param('id') }))
  items.put('/:id', async (c) => c.json({ method: 'put', put: await c.req.json() }, 201))
  items.patch('/:id', async (c) => c.json({ method: 'patch', patch: await c.req.json() }))
  items.delete('/:id', (c) => c.body(null, 204))
  app.route('/items', items)
  app.all('/any', (c) => c.text(`any ${c.req.method}`))
  app.on(['LINK', 'PURGE'], '/unusual', (c) => c.text(`unusual ${c.req.method}`))

  // ---- bodies of requests ----------------------------------------------------------------------------

  app.post('/json', async (c) => c.json({ given: await c.req.json() }))
  app.post(
    '/validated',
    validator('json', (value: { age?: unknown }, c) =>
      typeof value.age === 'number' ? { age: value.age } : c.text('How old?', 422),
    ),
    (c) => c.json({ next: c.req.valid('json').age + 1 }),
  )
  app.post('/form', async (c) => c.json(await c.req.parseBody({ all: true })))
  app.post('/multipart', async (c) => {
    const { note, file } = await c.req.parseBody()
    if (!(file instanceof File)) return c.text('No file.', 400)
    const bytes = Buffer.from(await file.arrayBuffer())
    return c.json({ note, name: file.name, type: file.type, sha256: sha256(bytes) })
  })
  app.post('/text', async (c) => c.text((await c.req.text()).toUpperCase()))
  app.post('/bytes', async (c) =>
    c.body(await c.req.arrayBuffer(), 200, { 'content-type': 'application/octet-stream' }),
  )
  app.post('/digest', async (c) => {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of c.req.raw.body ?? []) {
      hash.update(chunk)
      bytes += chunk.length
    }
    return c.json({ bytes, sha256: hash.digest('hex') })
  })
  app.post('/ignored', (c) => c.text('I did not read it.'))
  app.post('/echo', (c) => new Response(c.req.raw.body))
  app.post('/limited', bodyLimit({ maxSize: 1_000 }), async (c) => c.text(await c.req.text()))

  // ---- bodies of answers -----------------------------------------------------------------------------

  app.get('/html', (c) => c.html(html`<h1>${c.req.query('name') ?? 'nobody'}</h1>`))
  app.get('/pretty', prettyJSON(), (c) => c.json({ a: [1, 2] }))
  app.get('/big', (c) => c.body(BIG_BODY))
  app.get('/big/stream', (c) =>
    stream(c, async (out) => {
      for (let at = 0; at < BIG_BODY.length; at += 70_001) {
        await out.write(BIG_BODY.slice(at, at + 70_001))
      }
    }),
  )
  app.get('/stream/text', (c) =>
    streamText(c, async (out) => {
      for (const word of ['one', 'zwei', '三']) {
        await out.writeln(word)
        await out.sleep(2)
      }
    }),
  )
  app.get('/stream/events', (c) =>
    streamSSE(c, async (out) => {
      for (let id = 0; id < 3; id++) {
        await out.writeSSE({ id: String(id), event: 'tick', data: `line ${id}\nand another` })
        await out.sleep(2)
      }
      await out.writeSSE({ data: 'done', retry: 1_000 })
    }),
  )
  app.get('/stream/empty', (c) => stream(c, async () => {}))
  app.get('/compressed', compress({ threshold: 1 }), (c) => c.text('x'.repeat(10_000)))
  app.get('/types', (c) =>
    c.body('{"problem":true}', 200, { 'content-type': 'application/problem+json' }),
  )

  // ---- cookies ---------------------------------------------------------------------------------------

  app.get('/cookies', (c) => c.json(getCookie(c)))
  app.get('/cookies/set', async (c) => {
    setCookie(c, 'plain', 'a b', { path: '/' })
    setCookie(c, 'strict', 'yes', { httpOnly: true, sameSite: 'Strict', maxAge: 60 })
    await setSignedCookie(c, 'signed', 'sealed', COOKIE_SECRET)
    deleteCookie(c, 'old')
    return c.body(null, 204)
  })
  app.get('/cookies/signed', async (c) =>
    c.json({ signed: (await getSignedCookie(c, COOKIE_SECRET, 'signed')) ?? null }),
  )

  // ---- statuses and headers --------------------------------------------------------------------------

  app.get('/status/:code', (c) => c.body(null, Number(c.req.param('code')) as 200))
  app.get('/redirect', (c) => c.redirect(`${base}/hello/again?x=1`))
  app.get('/redirect/:code', (c) =>
    c.redirect('https://elsewhere.test/', moved(c.req.param('code'))),
  )
  app.post('/redirect', (c) => c.redirect(`${base}/`, 303))
  app.get('/repeated', (c) => {
    c.header('link', '</a>; rel="preload"', { append: true })
    c.header('link', '</b>; rel="preload"', { append: true })
    c.header('vary', 'accept')
    c.header('x-empty', '')
    return c.text('repeated')
  })
  app.get('/expose', (c) => {
    c.header('access-control-expose-headers', 'content-length')
    c.header('content-length', '7')
    return c.text('exposed')
  })
  app.get('/secure', secureHeaders(), (c) => c.text('secure'))

  // ---- what middleware decides -------------------------------------------------------------------------

  app.use('/api/*', cors({ origin: 'https://page.test', credentials: true, maxAge: 60 }))
  app.get('/api/data', (c) => c.json({ data: 1 }))
  app.post('/api/data', async (c) => c.json(await c.req.json(), 201))
  app.use('/admin/*', basicAuth({ username: 'ann', password: 'p:w' }))
  app.get('/admin/panel', (c) => c.text('panel'))
  app.use('/private/*', bearerAuth({ token: 'not-a-jwt' }))
  app.get('/private/data', (c) => c.text('private'))
  app.use('/tagged/*', etag())
  app.get('/tagged/page', (c) => c.text(TAGGED_PAGE))
  app.post('/guarded', csrf(), async (c) => c.json(await c.req.parseBody()))

  // ---- errors ------------------------------------------------------------------------------------------

  app.get('/throws', () => {
    throw new Error('a fault')
  })
  app.get('/throws/http', () => {
    throw new HTTPException(409, { message: 'Twice.' })
  })
  app.get('/throws/response', () => {
    throw new HTTPException(402, { res: new Response('Pay.', { headers: { 'x-price': '1' } }) })
  })
  app.onError((error, c) => {
    if (error instanceof HTTPException) return error.getResponse()
    return c.json({ error: error.message }, 500)
  })
  app.notFound((c) => c.json({ missing: c.req.path, method: c.req.method }, 404))
  return app
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function moved(code: string): 301 | 302 | 307 | 308 {
  return Number(code) as 301 | 302 | 307 | 308
}
