import t from 'tap'
import fail from '../../examples/fail.js'
import { throwableCodes } from '../../shared/errors.js'

t.test('fail can be asked for every code that a function may throw', async (t) => {
  for (const code of throwableCodes) {
    const result = await fail.input?.['~standard'].validate({ code })
    t.equal(result?.issues, undefined, code)
  }
})
