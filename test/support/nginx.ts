// nginx as Debian configures it, in front of one address: nothing is said about buffering. Only that it shall
// ask in HTTP/1.1: up to 1.29 it asks in 1.0 by default, which the engine answers with 505. Listens on a socket in
// its own folder, so that it needs no free port; ends with its test.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { folderWith } from './folder.js'

/** Nothing tells us that it listens. */
const LOOK_MS = 20

export function hasNginx(): boolean {
  return spawnSync('nginx', ['-v'], { stdio: 'ignore' }).status === 0
}

/** Returns the path of the socket on which it listens for HTTP. */
export async function startNginx(t: Test, upstream: string): Promise<string> {
  const folder = folderWith(t, {})
  const socketPath = join(folder, 'http.sock')
  const temporaryPaths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path "${folder}/${name}";`,
  )
  writeFileSync(
    join(folder, 'nginx.conf'),
    `worker_processes auto;
     pid "${folder}/pid";
     error_log "${folder}/error.log";
     daemon off;
     events { worker_connections 768; }
     http {
       sendfile on;
       tcp_nopush on;
       types_hash_max_size 2048;
       default_type application/octet-stream;
       access_log off;
       gzip on;
       ${temporaryPaths.join('\n')}
       server {
         listen "unix:${socketPath}";
         location / {
           proxy_pass ${upstream};
           proxy_http_version 1.1;
         }
       }
     }`,
  )
  const nginx = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(nginx, 'close')
  let said = ''
  nginx.stderr.on('data', (text) => {
    said += text
  })
  t.teardown(async () => {
    nginx.kill('SIGTERM')
    await ended
  })
  while (!(await listens(socketPath))) {
    if (nginx.exitCode !== null) throw new Error(`nginx did not start: ${said}`)
    await delay(LOOK_MS)
  }
  return socketPath
}

async function listens(path: string): Promise<boolean> {
  const socket = connect(path)
  const isOpen = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return isOpen
}
