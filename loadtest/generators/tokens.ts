// What is asked of the client of event streams. Its result is a LoadResult: tokens that came right
// and in their order, and of p50 and p99 the time from a request to its first event.

export interface TokensLoad {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Requests at once. */
  readonly streams: number
  /** Events of each. */
  readonly tokens: number
  /** Between two events; 0 for as fast as they come. */
  readonly intervalMs: number
  /** For so long, who has had a whole stream asks for another one, on the same connection; 0: each has one. */
  readonly seconds: number
}

const WORDS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven']

export function tokensBody({ tokens, intervalMs }: Pick<TokensLoad, 'tokens' | 'intervalMs'>) {
  return JSON.stringify({ count: tokens, intervalMs, text: WORDS.join(' ') })
}

/** The events that answer it, without the blank lines that end them. */
export function tokensEvents(count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    return `data: ${JSON.stringify({ index, text: WORDS[index % WORDS.length] })}`
  })
}
