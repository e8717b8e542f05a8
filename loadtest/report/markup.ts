// HTML from template literals: html`<p>${text}</p>` escapes what it is given, unless that is Markup itself.

export class Markup {
  readonly text: string

  /** @param text that is HTML already */
  constructor(text: string) {
    this.text = text
  }
}

type Part = string | number | Markup | readonly Part[]

export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  const filled = parts.map((part, index) => `${textOf(part)}${strings[index + 1]}`)
  return new Markup(`${strings[0]}${filled.join('')}`)
}

function textOf(part: Part): string {
  if (part instanceof Markup) return part.text
  if (typeof part === 'object') return part.map(textOf).join('')
  return String(part).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
