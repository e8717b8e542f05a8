// nginx as Debian configures it. Either in front of one address, with nothing said about buffering, only that it
// shall ask in HTTP/1.1: up to 1.29 it asks in 1.0 by default, which the engine answers with 505. It then listens on
// a socket in its own folder, so that it needs no free port. Or with blocks that are given. Ends with its test.

import { writeFileSync } from 'node:fs'
import type { NetConnectOpts } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import { folderWith } from './folder.js'
import { isInstalled, startProxy } from './proxy-process.js'

export function hasNginx(): boolean {
  return isInstalled('nginx')
}

/** Returns the path of the socket on which it listens for HTTP. */
export async function startNginx(t: Test, upstream: string): Promise<string> {
  const folder = folderWith(t, {})
  const socketPath = join(folder, 'http.sock')
  await startIn(
    t,
    folder,
    `server {
       listen "unix:${socketPath}";
       location / {
         proxy_pass ${upstream};
         proxy_http_version 1.1;
       }
     }`,
    { path: socketPath },
  )
  return socketPath
}

/** With blocks of its own, which listen on this port of 127.0.0.1. */
export function startNginxWith(t: Test, blocks: string, port: number): Promise<void> {
  return startIn(t, folderWith(t, {}), blocks, { host: '127.0.0.1', port })
}

async function startIn(t: Test, folder: string, blocks: string, at: NetConnectOpts): Promise<void> {
  const temporaryPaths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path "${folder}/${name}";`,
  )
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
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
       ${blocks}
     }`,
  )
  await startProxy(t, 'nginx', ['-p', folder, '-c', file], at)
}
