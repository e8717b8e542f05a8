// The bytes of every frame, as PROTOCOL.md gives them. A change here is a new version of the protocol:
// the hex is what other implementations are written against.

import type { Frame } from '../../shared/frame.js'

export interface Golden {
  readonly name: string
  readonly frame: Frame
  /** Spaces separate the elements. */
  readonly hex: string
}

export const GOLDEN: readonly Golden[] = [
  {
    name: 'CALL with nothing in it',
    frame: [1, 1, 'c', null, 16_384, 'GET', '/', null, [], null, null, false],
    hex: '9c 01 01 a163 c0 cd4000 a3474554 a12f c0 90 c0 c0 c2',
  },
  {
    name: 'CALL with everything in it',
    frame: [
      1,
      7,
      'call-7',
      60_000,
      4096,
      'POST',
      '/v1/items/3?x=%20y',
      { id: '3' },
      ['content-type', 'application/json', 'x-a', '1', 'x-a', '2'],
      { subject: 'ann', scopes: ['embed'], claims: { sub: 'ann', exp: 1_700_000_000 } },
      Uint8Array.of(0x7b, 0x7d),
      true,
    ],
    hex: `9c 01 07 a663616c6c2d37 cdea60 cd1000 a4504f5354 b22f76312f6974656d732f333f783d25323079
      81 a26964 a133
      96 ac636f6e74656e742d74797065 b06170706c69636174696f6e2f6a736f6e a3782d61 a131 a3782d61 a132
      83 a77375626a656374 a3616e6e a673636f706573 91 a5656d626564
         a6636c61696d73 82 a3737562 a3616e6e a3657870 ce6553f100
      c402 7b7d c3`,
  },
  {
    name: 'CALL of an anonymous principal, with an empty body and text beyond ASCII',
    frame: [
      1,
      1,
      'c',
      0,
      0,
      'GET',
      '/',
      {},
      ['x-a', 'é'],
      { subject: null, scopes: [], claims: {} },
      new Uint8Array(0),
      false,
    ],
    hex: `9c 01 01 a163 00 00 a3474554 a12f 80 92 a3782d61 a2c3a9
      83 a77375626a656374 c0 a673636f706573 90 a6636c61696d73 80 c400 c2`,
  },
  { name: 'BODY', frame: [2, 1, Uint8Array.of(1, 2, 3)], hex: '93 02 01 c403 010203' },
  { name: 'BODY without bytes', frame: [2, 1, new Uint8Array(0)], hex: '93 02 01 c400' },
  { name: 'END', frame: [3, 1], hex: '92 03 01' },
  { name: 'END, largest id of one byte', frame: [3, 0x7f], hex: '92 03 7f' },
  { name: 'END, smallest id of two bytes', frame: [3, 0x80], hex: '92 03 cc80' },
  { name: 'END, largest id of 16 bits', frame: [3, 0xffff], hex: '92 03 cdffff' },
  { name: 'END, largest id of 32 bits', frame: [3, 0xffffffff], hex: '92 03 ceffffffff' },
  { name: 'END, an id beyond 32 bits', frame: [3, 2 ** 32], hex: '92 03 cb41f0000000000000' },
  { name: 'CREDIT', frame: [4, 1, 65_536], hex: '93 04 01 ce00010000' },
  {
    name: 'CANCEL of a client that left',
    frame: [5, 1, 'cancelled'],
    hex: '93 05 01 a963616e63656c6c6564',
  },
  {
    name: 'CANCEL of a call out of time',
    frame: [5, 1, 'timed_out'],
    hex: '93 05 01 a974696d65645f6f7574',
  },
  { name: 'PING', frame: [6], hex: '91 06' },
  { name: 'BUSY', frame: [7, 1], hex: '92 07 01' },
  { name: 'FREE', frame: [8, 3], hex: '92 08 03' },
  {
    name: 'REPLY',
    frame: [9, 1, 200, ['content-type', 'text/plain'], Uint8Array.of(0x6f, 0x6b)],
    hex: '95 09 01 ccc8 92 ac636f6e74656e742d74797065 aa746578742f706c61696e c402 6f6b',
  },
  {
    name: 'REPLY with nothing in it',
    frame: [9, 1, 204, [], new Uint8Array(0)],
    hex: '95 09 01 cccc 90 c400',
  },
  {
    name: 'HEAD',
    frame: [10, 1, 206, ['content-length', '12']],
    hex: '94 0a 01 ccce 92 ae636f6e74656e742d6c656e677468 a23132',
  },
  {
    name: 'ERROR',
    frame: [11, 1, 'function_failed', 'It failed.', null, null],
    hex: '96 0b 01 af66756e6374696f6e5f6661696c6564 aa4974206661696c65642e c0 c0',
  },
  {
    name: 'ERROR with issues',
    frame: [
      11,
      1,
      'invalid_input',
      'Bad.',
      [{ path: ['items', 3, 'size'], message: 'too small' }],
      null,
    ],
    hex: `96 0b 01 ad696e76616c69645f696e707574 a44261642e
      91 82 a470617468 93 a56974656d73 03 a473697a65 a76d657373616765 a9746f6f20736d616c6c c0`,
  },
  {
    name: 'ERROR with a time to try again',
    frame: [11, 1, 'no_capacity', 'Full.', null, 1],
    hex: '96 0b 01 ab6e6f5f6361706163697479 a546756c6c2e c0 01',
  },
  { name: 'ACCEPT without a subprotocol', frame: [12, 1, null], hex: '93 0c 01 c0' },
  {
    name: 'ACCEPT with a subprotocol',
    frame: [12, 1, 'chat.v1'],
    hex: '93 0c 01 a7636861742e7631',
  },
  {
    name: 'MESSAGE of text, whole',
    frame: [13, 1, 3, Uint8Array.of(0x68, 0x69)],
    hex: '94 0d 01 03 c402 6869',
  },
  {
    name: 'MESSAGE of bytes, a piece with more to follow',
    frame: [13, 1, 0, Uint8Array.of(0xff)],
    hex: '94 0d 01 00 c401 ff',
  },
  {
    name: 'MESSAGE without bytes',
    frame: [13, 1, 2, new Uint8Array(0)],
    hex: '94 0d 01 02 c400',
  },
  { name: 'CLOSE', frame: [14, 1, 1000, 'done'], hex: '94 0e 01 cd03e8 a4646f6e65' },
  {
    name: 'CLOSE of a connection that was cut',
    frame: [14, 1, 1006, ''],
    hex: '94 0e 01 cd03ee a0',
  },
]

export function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')
}
