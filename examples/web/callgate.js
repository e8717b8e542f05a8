// What a page needs to talk to a gateway: its token, calls whose failures can be read, and WebSockets that
// carry the token as a subprotocol, because a browser cannot set headers on them.

const field = document.querySelector('#token')

// From a link such as /app/#token=...; a fragment is sent to nobody, and is not left in the history.
const fromLink = new URLSearchParams(location.hash.slice(1)).get('token')
if (fromLink !== null) {
  field.value = fromLink
  history.replaceState(null, '', location.pathname + location.search)
}

export function token() {
  return field.value.trim()
}

/** A POST of a value as JSON. Throws what the answer says of its failure. */
export async function call(path, value, { accept, signal }) {
  const response = await fetch(path, {
    method: 'POST',
    headers: { accept, authorization: `Bearer ${token()}`, 'content-type': 'application/json' },
    body: JSON.stringify(value),
    signal,
  })
  if (response.ok) return response
  const problem = await response.json().catch(() => ({ detail: response.statusText }))
  throw new Error(`${response.status}: ${problem.detail}`)
}

/** Resolves when the connection is open. */
export async function connect(path, protocol) {
  const url = new URL(path, location.href)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  const protocols = token() === '' ? [protocol] : [protocol, `bearer.${token()}`]
  const socket = new WebSocket(url, protocols)
  socket.binaryType = 'arraybuffer'
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    // A browser does not tell a page with which status its handshake was refused.
    socket.onclose = () => reject(new Error(`No connection to ${path}. Is the token good?`))
  })
  socket.onclose = null
  return socket
}

/** Resolves when the connection has closed: a sentence, and whether all was well. */
export function closed(socket) {
  return new Promise((resolve) => {
    socket.addEventListener('close', ({ code, reason }) =>
      resolve({ text: `Closed with ${code}${reason && `: ${reason}`}.`, isWell: code === 1000 }),
    )
  })
}
