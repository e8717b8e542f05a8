// What others have published about the time that they add to a call. Each was measured on its own machine, in
// its own way, of a product that does its own things: they say what is usual, and are no comparison.

export interface PublishedLatency {
  readonly product: string
  readonly ms: number
  /** What the figure is of. */
  readonly figure: string
  readonly source: string
  readonly address: string
}

const GATEWAY_BENCH = {
  figure:
    'median added to a call of a mock upstream on the same machine, one call at a time, July 2026',
  source: 'llm-gateway-bench, data/overhead.json',
  address: 'https://github.com/cuihuan/llm-gateway-bench/blob/main/data/overhead.json',
}

const LITELLM = {
  source: 'LiteLLM, Benchmarks',
  address: 'https://docs.litellm.ai/docs/benchmarks',
}

const MODAL = {
  source:
    'Routing for serverless servers with Pingora, Envoy, and Spanner (Modal, June 2026), as told by BotBeat',
  address:
    'https://botbeat.news/news/modal-launches-ultra-fast-servers-for-llm-inference-cutting-latency-to-6ms-8634',
}

export const PUBLISHED: readonly PublishedLatency[] = [
  { product: 'Bifrost', ms: 0.62, ...GATEWAY_BENCH },
  { product: 'Portkey (open source, 1.15.2)', ms: 2.65, ...GATEWAY_BENCH },
  {
    product: 'Bifrost',
    ms: 0.99,
    figure: 'overhead at 500 calls/s on 2 cores',
    source: 'Bifrost benchmark results (Maxim, its maker)',
    address: 'https://www.getmaxim.ai/bifrost/resources/benchmarks',
  },
  {
    product: 'LiteLLM, 4 instances',
    ms: 2,
    figure: 'median of its own "overhead duration" at 1,170 calls/s, 4 cores an instance',
    ...LITELLM,
  },
  {
    product: 'LiteLLM, 2 instances',
    ms: 12,
    figure: 'the same at 1,036 calls/s',
    ...LITELLM,
  },
  {
    product: 'Modal Server',
    ms: 6,
    figure: 'p50 of a request, over a network',
    ...MODAL,
  },
  {
    product: 'Modal Web Function',
    ms: 39,
    figure: 'p50 of a request, over a network',
    ...MODAL,
  },
]
