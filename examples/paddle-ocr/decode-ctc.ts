// Greedy decoding of a CTC model: the likeliest class at each step, repeats merged, blanks dropped.
// Spaces are the exception. The model shares a space's probability with the blank, over two or three
// steps, so that the likeliest class alone would lose every second one.

export interface DecodedText {
  readonly text: string
  /** Mean probability of the letters; 0 where there are none. */
  readonly confidence: number
}

/** The sum over a gap above which it is a space. Inside a word it stays below 0.01. */
const SPACE_THRESHOLD = 0.1

/**
 * `probabilities` holds one row of `alphabet.length` a step. The alphabet's first class is the
 * blank, its last the space.
 */
export function decodeCtc(probabilities: Float32Array, alphabet: readonly string[]): DecodedText {
  const blank = 0
  const space = alphabet.length - 1
  let text = ''
  let letters = 0
  let letterSum = 0
  let spaceSum = 0
  let previous = blank
  for (let step = 0; step < probabilities.length; step += alphabet.length) {
    const best = likeliest(probabilities, step, alphabet.length)
    if (best === blank || best === space) {
      spaceSum += probabilities[step + space]!
    } else if (best !== previous) {
      if (text !== '' && spaceSum > SPACE_THRESHOLD) text += ' '
      text += alphabet[best]
      letters++
      letterSum += probabilities[step + best]!
      spaceSum = 0
    }
    previous = best
  }
  return { text, confidence: letters === 0 ? 0 : letterSum / letters }
}

function likeliest(probabilities: Float32Array, step: number, classes: number): number {
  let best = 0
  for (let i = 1; i < classes; i++) {
    if (probabilities[step + i]! > probabilities[step + best]!) best = i
  }
  return best
}
