// Reads what Prometheus would read: the text of /metrics, as values by series.

/** One sample a line: name, labels, value. */
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)$/

/** By `name{label="value",…}`, the labels sorted. Throws where a line is none, or a series stands there twice. */
export function parseMetrics(text: string): Map<string, number> {
  const series = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const match = SAMPLE.exec(line)
    if (match === null) throw new Error(`Not a sample: ${line}`)
    const labels = (match[2] ?? '').match(/\w+="(?:[^"\\]|\\.)*"/g) ?? []
    const key = labels.length === 0 ? match[1]! : `${match[1]}{${labels.sort().join(',')}}`
    if (series.has(key)) throw new Error(`Twice: ${line}`)
    series.set(key, Number(match[3]))
  }
  return series
}
