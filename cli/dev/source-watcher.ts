// Tells when something happens to a file. It watches the folders that files lie in rather than the files:
// a file that an editor or a version control system replaces is another file of the same name, and what
// watches the old one hears nothing more. A folder that is not there is waited for in its parent.

import { existsSync, type FSWatcher, watch } from 'node:fs'
import { basename, dirname, join } from 'node:path'

export class SourceWatcher {
  readonly #onEvent: (path: string) => void
  readonly #watchers = new Map<string, FSWatcher>()

  /** @param onEvent told the path of a file or folder to which something has happened, or may have */
  constructor(onEvent: (path: string) => void) {
    this.#onEvent = onEvent
  }

  watchFile(path: string): void {
    this.watchFolder(dirname(path))
  }

  /** What lies deeper in it is not watched. */
  watchFolder(folder: string): void {
    if (this.#watchers.has(folder)) return
    const watcher = watchIfPossible(folder, (name) => this.#onChange(folder, name))
    if (watcher !== null) this.#watchers.set(folder, watcher)
    else if (dirname(folder) !== folder) this.watchFolder(dirname(folder))
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  #onChange(folder: string, name: string | null): void {
    // Its own name: the folder has been moved or removed, and another may stand in its place.
    if (name === null || name === basename(folder) || !existsSync(folder)) {
      this.#watchers.get(folder)?.close()
      this.#watchers.delete(folder)
      this.watchFolder(folder)
      this.#onEvent(folder)
    }
    if (name !== null) this.#onEvent(join(folder, name))
  }
}

function watchIfPossible(
  folder: string,
  onChange: (name: string | null) => void,
): FSWatcher | null {
  try {
    return watch(folder, (_type, name) => onChange(name)).on('error', () => onChange(null))
  } catch {
    return null
  }
}
