import assert from 'node:assert/strict'
import { test } from 'node:test'
import { declaredCell } from './location.ts'

test('a point becomes the cell around it, a cell stays as it is', async () => {
  assert.equal(await declaredCell('52.52,13.40'), '841f1d5ffffffff')
  assert.equal(await declaredCell('52.4, 13.1'), '841f189ffffffff')
  assert.notEqual(await declaredCell('-33.87,151.21'), await declaredCell('33.87,151.21'))
  assert.equal(await declaredCell('841f1d5ffffffff'), '841f1d5ffffffff')
  assert.equal(await declaredCell(''), '')
})

test('what is no place is refused, with an example', async () => {
  for (const location of [
    'Berlin',
    '91,0',
    '0,181',
    '52.5',
    '1,2,3',
    '52,5;13,4',
    'NaN,NaN',
    '1e1,2',
  ]) {
    await assert.rejects(declaredCell(location), {
      code: 'invalid_configuration',
      message: /52\.5,13\.4/,
    })
  }
})
