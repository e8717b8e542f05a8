// Server-sent events from the body of a `fetch`, where an EventSource could send neither a POST nor a
// token.

/**
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<{ event: string, data: string }>}
 */
export async function* eventsOf(body) {
  let text = ''
  for await (const piece of textOf(body)) {
    text += piece
    const blocks = text.split('\n\n')
    // The last one is not complete yet, or empty.
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields = fieldsOf(block)
      if (fields.data !== undefined) yield { event: fields.event ?? 'message', data: fields.data }
    }
  }
}

/** By hand: not every browser iterates over a stream. */
async function* textOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      yield next.value.replaceAll('\r\n', '\n')
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

function fieldsOf(block) {
  const fields = {}
  for (const line of block.split('\n')) {
    // A line that begins with a colon is a comment.
    const [, name, value] = /^([a-z]+):? ?(.*)$/.exec(line) ?? []
    if (name === undefined) continue
    fields[name] = name in fields ? `${fields[name]}\n${value}` : value
  }
  return fields
}
