// What a load test leaves behind: a table for the terminal, and the same with its charts as JSON, from
// which the HTML report is drawn. The shape is the same for all scenarios, so that the report need
// not know any of them.

export interface Result extends Findings {
  /** The scenario's name on the command line. */
  readonly scenario: string
  /** What the figures were taken on, in one line. */
  readonly machine: string
  /** Of Callgate's own source. */
  readonly commit: string
  /** What else the machine had to do before the load test began. */
  readonly others: string
  /** The command that gives these figures again. */
  readonly command: string
  /** When the load test began, as ISO 8601. */
  readonly startedAt: string
}

/** What a scenario itself has to tell. */
export interface Findings {
  /** What was measured and how, in one line. */
  readonly title: string
  /** The figures to take away, in one line, where they are few. */
  readonly headline?: string
  readonly tables: readonly Table[]
  readonly charts: readonly Chart[]
  readonly targets: readonly Target[]
  /** A sentence or two each. */
  readonly notes: readonly string[]
  /** What went wrong, by how; 0 in all if nothing. The exit code is 1 if anything did. */
  readonly errors: Errors
  /** Every round, for those who want to reckon themselves; its shape is the scenario's own. */
  readonly data: unknown
}

/** How often, by what went wrong. */
export type Errors = Readonly<Record<string, number>>

export interface Table {
  readonly title?: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export interface Chart {
  readonly title: string
  readonly kind: 'line' | 'bar'
  readonly x: Axis
  readonly y: Axis
  /** Of a category, bars of several series stand on each other. */
  readonly series: readonly Series[]
}

export interface Axis {
  readonly label: string
  /** `nines`: percentiles below 100, so that 90, 99 and 99.9 are equally far apart. */
  readonly scale?: 'linear' | 'log' | 'nines'
  /** Of bars: what stands below each. */
  readonly categories?: readonly string[]
}

export interface Series {
  readonly name: string
  /** Of a line: x and y, in the axes' units, by rising x. Of bars: the index of the category and y. */
  readonly points: readonly (readonly [number, number])[]
}

/** A promise of the design with its figure. */
export interface Target {
  readonly name: string
  readonly unit: string
  readonly comparison: 'at least' | 'at most'
  readonly target: number
  /** Not finite, and null in JSON, if there was nothing to measure: then it is missed. */
  readonly value: number | null
}
