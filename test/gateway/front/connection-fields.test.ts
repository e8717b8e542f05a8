import t from 'tap'
import { dropNamedFields } from '../../../gateway/front/connection-fields.js'

function left(connection: string, headers: readonly string[]): string[] {
  const all = [...headers]
  dropNamedFields(all, connection)
  return all
}

t.test('fields that Connection names are dropped, every one of them', async (t) => {
  t.same(left('X-A ,x-b', ['x-a', '1', 'y', '2', 'x-b', '3', 'x-a', '4']), ['y', '2'])
  t.same(left('close, x-a', ['x-a', '1']), [])
})

t.test('options that are no fields drop nothing', async (t) => {
  const headers = ['x-a', 'x-b', 'close', '1']
  for (const connection of ['', 'close', 'keep-alive', 'Upgrade']) {
    t.same(left(connection, headers), headers, connection)
  }
  t.same(left(',, "x-a"', headers), headers, 'values are not names')
})

t.test('what a proxy in front has said cannot be taken away', async (t) => {
  const headers = ['host', 'x', 'content-type', 'a/b', 'x-forwarded-for', '::1', 'forwarded', 'y']
  t.same(left('Host, Content-Type, X-Forwarded-For, Forwarded', headers), headers)
})
