// What a client offers in Sec-WebSocket-Extensions (RFC 6455, 9.1; RFC 7692, 5.1 and 7.1), and which of it is
// taken. uWebSockets.js looks for words in the field and passes over what it does not know: asked to keep its
// window below 2^9 bytes it says nothing of it and uses one of 2^15, and the client cannot read its messages.

/** What the engine is given, whatever the offer's parameters: its answer is the same for all of them. */
const COMPRESSION = 'permessage-deflate'

interface Extension {
  readonly name: string
  /** The value is null where there is none. */
  readonly parameters: readonly (readonly [name: string, value: string | null])[]
}

const TOKEN = "[!#$%&'*+.^_`|~\\w-]+"
const NAME = new RegExp(`[ \\t]*(${TOKEN})[ \\t]*`, 'y')
const PARAMETER = new RegExp(
  `;[ \\t]*(${TOKEN})[ \\t]*(?:=[ \\t]*(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)")[ \\t]*)?`,
  'y',
)
const SEPARATOR = /(?:[ \t]*,)+[ \t]*|$/y
const WINDOW_BITS = /^(?:[89]|1[0-5])$/

/**
 * The first offer that the engine honours, in its simplest words; empty where there is none.
 * @param offers the field, or several of them joined by commas
 */
export function chooseCompression(offers: string): string {
  if (offers === '') return ''
  return parseExtensions(offers)?.some(isHonoured) ? COMPRESSION : ''
}

/** Null for what is no list of extensions. */
function parseExtensions(text: string): Extension[] | null {
  const extensions: Extension[] = []
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match !== null) at = pattern.lastIndex
    return match
  }
  take(SEPARATOR)
  while (at < text.length) {
    const name = take(NAME)
    if (name === null) return null
    const parameters: [string, string | null][] = []
    for (let match = take(PARAMETER); match !== null; match = take(PARAMETER)) {
      const [, parameter, token, quoted] = match
      parameters.push([parameter!, token ?? quoted?.replace(/\\(.)/g, '$1') ?? null])
    }
    extensions.push({ name: name[1]!, parameters })
    if (take(SEPARATOR) === null) return null
  }
  return extensions
}

/** With an answer that says `client_no_context_takeover; server_no_context_takeover` and nothing else. */
function isHonoured({ name, parameters }: Extension): boolean {
  if (name !== COMPRESSION) return false
  const names = new Set(parameters.map(([parameter]) => parameter))
  if (names.size !== parameters.length) return false
  return parameters.every(([parameter, value]) => {
    switch (parameter) {
      case 'server_no_context_takeover':
      case 'client_no_context_takeover':
        return value === null
      case 'client_max_window_bits':
        // A hint that nobody has to heed: the engine reads windows of every size.
        return value === null || WINDOW_BITS.test(value)
      default:
        // `server_max_window_bits` too, even 15: whoever takes it must say so, and the engine does not.
        return false
    }
  })
}
