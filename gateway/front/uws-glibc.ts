// Lets the pinned uWebSockets.js binaries load on glibc 2.36 and 2.37. They ask for 2.38 only
// because a newer compiler renamed three C functions (__isoc23_sscanf, __isoc23_strtol,
// __isoc23_strtoul), whose older names do the same work here. The correction points those
// symbols at the older names; no machine code is touched. Pure: bytes in, bytes out, both ends
// pinned by SHA-256. Called by uws.ts alone. Delete it together with Debian 12, whose glibc
// (2.36) is its only reason.

import { createHash } from 'node:crypto'

/** The one build whose binaries are known here; any other is loaded as it is. */
export const CORRECTABLE_PACKAGE = '@btc-vision/uwebsockets.js@20.57.0'

const RENAMED_PREFIX = '__isoc23_'
const MISSING_VERSION = 'GLIBC_2.38'

// The oldest version libc.so.6 offers on each machine (ELF e_machine): it holds the older names.
const BASE_VERSION_OF_MACHINE: Record<number, string> = { 62: 'GLIBC_2.2.5', 183: 'GLIBC_2.17' }

/** SHA-256 of every correctable binary, as published and as corrected. */
export const BINARY_SHA256: Readonly<Record<string, { original: string; corrected: string }>> = {
  'uws_linux_arm64_115.node': {
    original: '6bdbc8ff976b4371af1906175e9025804bacc38a414969f4f02314e6b99f206c',
    corrected: 'eaa12cdd49c20a8fb1485dc055cc141ae85b64e2db245630085f93fec9e6601d',
  },
  'uws_linux_arm64_127.node': {
    original: '82b79bd18d1e3563de336156005bd01b7f39fc387b65173d69a29da4ee79f895',
    corrected: '9f8b29f1112b1e27138abd232d8cfbef4a405d5633625f38d19dba7d759a4c0b',
  },
  'uws_linux_arm64_137.node': {
    original: '88618b30ddf6b2b62310db89f40a701616676352aac5e0f6184dd8ef876199ce',
    corrected: '50691cb2ed74d2e1711806a07a3f3c6419db5fd63d776c171912f9c097fd270a',
  },
  'uws_linux_arm64_141.node': {
    original: '81d0186dd1549ed6a7f47e68e323573fc27d69d2920527654ce2dd993af2b0ec',
    corrected: '28f00717039d9fa9bc8a09660835deb2c1a76b4ec6421695b59d7ad608b94e14',
  },
  'uws_linux_x64_115.node': {
    original: '5b126ee00bf754b02e97e4c27090365a8562c5820c93f93918ac2212d4503e91',
    corrected: '0b40a7ff2a1e1d38e8d34ac9b69bf5cf757fcbbbe56fe3bc981ee5c664ebf314',
  },
  'uws_linux_x64_127.node': {
    original: '4b55b1f2cb7a7913febbb65a89496412b96af77e838552980092ba6b33723aac',
    corrected: '65537716292c5b3d9ee617914eeed1e4496f092f001c33504e8a9a0f12780f59',
  },
  'uws_linux_x64_137.node': {
    original: '98128405dba2fb608448e921a979530f70c946a2cc9889c15f2fa70c2d00ab05',
    corrected: '2630bb59236deeadf501d6abaf79c1a655b4a0b78579fba408eea84d1a30f6ca',
  },
  'uws_linux_x64_141.node': {
    original: '813d788b347c6fd76b779d8932311ec05a044e612b4b83af220f16e6ea789683',
    corrected: 'eea6f5f0ce9e2405a81ddb885b647c40bb5ebc2a06e48852f8af74290f79c543',
  },
}

/**
 * What to do with the package's binary on this C library.
 * @param glibcVersion such as `2.36`; undefined where the C library is not glibc (musl).
 */
export function glibcSupport(
  glibcVersion: string | undefined,
): 'as_published' | 'corrected' | 'unsupported' {
  const [major = 0, minor = 0] = (glibcVersion ?? '').split('.').map(Number)
  if (major > 2 || (major === 2 && minor >= 38)) return 'as_published'
  return major === 2 && minor >= 36 ? 'corrected' : 'unsupported'
}

/**
 * The corrected form of one published binary.
 * @param name file name in the package, such as `uws_linux_x64_115.node`.
 * @throws Error when the bytes are not the published ones, or the result is not the known one.
 */
export function correctBinary(name: string, original: Buffer): Buffer {
  const known = BINARY_SHA256[name]
  if (known === undefined) throw new Error(`${name} is not a binary this version knows.`)
  if (sha256(original) !== known.original) {
    throw new Error(
      `${name} is not the file that ${CORRECTABLE_PACKAGE} published. Reinstall with npm ci.`,
    )
  }
  const corrected = renameSymbols(original)
  if (sha256(corrected) !== known.corrected) {
    throw new Error(`Correcting ${name} for this glibc gave unexpected bytes.`)
  }
  return corrected
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

// Field offsets below are those of ELF64, little-endian, as in elf(5).
function renameSymbols(original: Buffer): Buffer {
  const elf = Buffer.from(original)
  const sections = readSections(elf)
  const symbols = sectionOfType(sections, 0x0b)
  const symbolVersions = sectionOfType(sections, 0x6fffffff)
  const strings = sections[symbols.link]!
  const text = (offset: number) => {
    const start = strings.offset + offset
    return elf.toString('latin1', start, elf.indexOf(0, start))
  }

  const versions = libcVersions(elf, sectionOfType(sections, 0x6ffffffe), text)
  const missing = versions.get(MISSING_VERSION)
  const base = versions.get(BASE_VERSION_OF_MACHINE[elf.readUInt16LE(18)] ?? '')
  if (missing === undefined || base === undefined) {
    throw new Error('The binary does not need the glibc version that is corrected here.')
  }

  const missingIndex = elf.readUInt16LE(missing + 6)
  const baseIndex = elf.readUInt16LE(base + 6)
  for (let i = 0; i * 24 < symbols.size; i++) {
    const versionAt = symbolVersions.offset + i * 2
    if (elf.readUInt16LE(versionAt) !== missingIndex) continue
    const symbolAt = symbols.offset + i * 24
    const nameOffset = elf.readUInt32LE(symbolAt)
    const isUndefined = elf.readUInt16LE(symbolAt + 6) === 0
    if (!isUndefined || !text(nameOffset).startsWith(RENAMED_PREFIX)) {
      throw new Error(`The binary really needs ${MISSING_VERSION}, for ${text(nameOffset)}.`)
    }
    // The old name is the tail of the new one, so the same string table serves both.
    elf.writeUInt32LE(nameOffset + RENAMED_PREFIX.length, symbolAt)
    elf.writeUInt16LE(baseIndex, versionAt)
  }
  // The loader checks every listed version, used or not: let this entry repeat the base one.
  elf.copy(elf, missing, base, base + 4)
  elf.copy(elf, missing + 8, base + 8, base + 12)
  return elf
}

/** File offsets of the version entries (Elf64_Vernaux) needed from libc.so.6, by name. */
function libcVersions(elf: Buffer, needs: Section, text: (offset: number) => string) {
  const versions = new Map<string, number>()
  let fileAt = needs.offset
  for (;;) {
    if (text(elf.readUInt32LE(fileAt + 4)) === 'libc.so.6') {
      let versionAt = fileAt + elf.readUInt32LE(fileAt + 8)
      for (let left = elf.readUInt16LE(fileAt + 2); left > 0; left--) {
        versions.set(text(elf.readUInt32LE(versionAt + 8)), versionAt)
        versionAt += elf.readUInt32LE(versionAt + 12)
      }
    }
    const toNextFile = elf.readUInt32LE(fileAt + 12)
    if (toNextFile === 0) return versions
    fileAt += toNextFile
  }
}

interface Section {
  type: number
  offset: number
  size: number
  link: number
}

function readSections(elf: Buffer): Section[] {
  const tableAt = Number(elf.readBigUInt64LE(40))
  return Array.from({ length: elf.readUInt16LE(60) }, (_, i) => {
    const at = tableAt + i * 64
    return {
      type: elf.readUInt32LE(at + 4),
      offset: Number(elf.readBigUInt64LE(at + 24)),
      size: Number(elf.readBigUInt64LE(at + 32)),
      link: elf.readUInt32LE(at + 40),
    }
  })
}

function sectionOfType(sections: readonly Section[], type: number): Section {
  const section = sections.find((candidate) => candidate.type === type)
  if (section === undefined) throw new Error(`The binary has no section of type ${type}.`)
  return section
}
