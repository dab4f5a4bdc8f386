import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accuracyToleranceShare, evaluateReferenceModel } from './evaluate.ts'

test('the reference model is as accurate here as where it was made, within one point', async () => {
  const accuracies = await evaluateReferenceModel([])
  assert.equal(accuracies.length, 13)
  for (const { kind, accuracy, expected } of accuracies) {
    assert.ok(
      Math.abs(accuracy - expected) <= accuracyToleranceShare + 1e-9,
      `${kind}: ${accuracy} here, ${expected} there`,
    )
  }
})
