/** What somebody threw, in words. It may be anything, and may throw when it is looked at. */
export function reasonOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? String(thrown.message) : String(thrown)
  } catch {
    return 'something that cannot be put into words'
  }
}
