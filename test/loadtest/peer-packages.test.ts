import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { test } from 'tap'
import {
  findProgram,
  howToGet,
  lockFile,
  missingPeers,
  stampFile,
} from '../../loadtest/peer-packages.js'
import { folderWith } from '../support/folder.js'

test('a peer is there once all that its lock file names was installed', async (t) => {
  const folder = folderWith(t, {
    'sources/workerd/package-lock.json': 'old',
    'sources/litserve/requirements.txt': 'litserve==1',
  })
  const folders = { sources: join(folder, 'sources'), installed: join(folder, 'installed') }
  const names = ['callgate', 'workerd', 'litserve']
  t.same(await missingPeers(names, folders), ['workerd', 'litserve'])
  mkdirSync(join(folders.installed, 'workerd'), { recursive: true })
  t.same(
    await missingPeers(names, folders),
    ['workerd', 'litserve'],
    'an installation that broke off',
  )
  copyFileSync(lockFile('workerd', 'npm', folders), stampFile('workerd', folders))
  t.same(await missingPeers(names, folders), ['litserve'])
  writeFileSync(lockFile('workerd', 'npm', folders), 'new')
  t.same(await missingPeers(names, folders), ['workerd', 'litserve'], 'another version is wanted')
})

test('what to do about missing peers is one line', (t) => {
  t.equal(
    howToGet(['haproxy', 'workerd', 'nginx', 'litellm']),
    'to get haproxy, workerd, nginx, litellm: apt-get install haproxy nginx-light; ' +
      'npm run loadtest -- install-peers workerd litellm',
  )
  t.equal(howToGet(['nginx']), 'to get nginx: apt-get install nginx-light')
  t.end()
})

test('a program is found on the path, if it may be run', async (t) => {
  const folder = folderWith(t, { 'some-program': '' })
  const { PATH } = process.env
  t.teardown(() => {
    process.env.PATH = PATH
  })
  process.env.PATH = `${folder}${delimiter}${PATH}`
  t.equal(await findProgram('some-program'), undefined)
  chmodSync(join(folder, 'some-program'), 0o755)
  t.equal(await findProgram('some-program'), join(folder, 'some-program'))
})
