import t from 'tap'
import { chooseCompression } from '../../../gateway/front/compression-offer.js'

t.test('an offer that the engine honours is taken', async (t) => {
  const offers = [
    'permessage-deflate',
    ' permessage-deflate ',
    'permessage-deflate; client_max_window_bits',
    'permessage-deflate;client_max_window_bits=8',
    'permessage-deflate; client_max_window_bits = 15 ; server_no_context_takeover',
    'permessage-deflate; client_max_window_bits="10"',
    'permessage-deflate; client_max_window_bits="1\\0"',
    'permessage-deflate; client_no_context_takeover; server_no_context_takeover',
  ]
  for (const offer of offers) t.equal(chooseCompression(offer), 'permessage-deflate', offer)
})

t.test('one that it would not honour is declined', async (t) => {
  const offers = [
    '',
    'x-webkit-deflate-frame',
    'permessage-bzip2',
    'Permessage-Deflate',
    'permessage-deflate; server_max_window_bits=9',
    'permessage-deflate; server_max_window_bits=7',
    'permessage-deflate; server_max_window_bits=15',
    'permessage-deflate; server_max_window_bits=16',
    'permessage-deflate; server_max_window_bits',
    'permessage-deflate; client_max_window_bits=7',
    'permessage-deflate; client_max_window_bits=16',
    'permessage-deflate; client_max_window_bits=010',
    'permessage-deflate; client_max_window_bits=""',
    'permessage-deflate; server_no_context_takeover=1',
    'permessage-deflate; client_no_context_takeover=true',
    'permessage-deflate; unknown',
    'permessage-deflate; client_no_context_takeover; client_no_context_takeover',
    'permessage-deflate; client_max_window_bits; client_max_window_bits=10',
  ]
  for (const offer of offers) t.equal(chooseCompression(offer), '', offer)
})

t.test('of several the first good one counts', async (t) => {
  const good = 'permessage-deflate'
  for (const offers of [
    `permessage-deflate; server_max_window_bits=10, ${good}`,
    `permessage-deflate; x="a, b; c", ${good}`,
    `foo; bar=1;baz="\\"" , , ${good}`,
    `, ${good},`,
  ]) {
    t.equal(chooseCompression(offers), good, offers)
  }
  t.equal(chooseCompression('foo; x="permessage-deflate, permessage-deflate"'), '')
})

t.test('what is no list of extensions offers nothing', async (t) => {
  for (const text of [
    'permessage-deflate;',
    'permessage-deflate; =1',
    'permessage-deflate; client_max_window_bits=',
    'permessage-deflate; client_max_window_bits="10',
    'permessage-deflate client_max_window_bits',
    'permessage-deflate, (',
    ';',
    '"permessage-deflate"',
  ]) {
    t.equal(chooseCompression(text), '', text)
  }
})

t.test('a long field is read in linear time', async (t) => {
  const startedMs = performance.now()
  for (const text of [' '.repeat(16_384), ',\t'.repeat(8_192), `a;b="${'\\"'.repeat(8_000)}`]) {
    t.equal(chooseCompression(text), '')
  }
  t.ok(performance.now() - startedMs < 1_000)
})
