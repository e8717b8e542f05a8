import { createRequire } from 'node:module'

const manifest = createRequire(import.meta.url)('callgate/package.json') as { version: string }

/** Of this package. */
export const VERSION: string = manifest.version
