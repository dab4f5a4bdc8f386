import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modelFeatures } from '../../protocol/index.ts'
import { featuresGate } from './features.ts'
import { checkInWords } from './sample-check.fixture.ts'

test('every feature that the request needs is checked by itself', () => {
  for (const feature of modelFeatures) {
    const others = modelFeatures.filter((one) => one !== feature)
    assert.equal(
      checkInWords(featuresGate, { features: [feature] }, { offer: { features: [feature] } }),
      'pass',
    )
    const rejected = checkInWords(
      featuresGate,
      { features: [feature] },
      { offer: { features: others } },
    )
    assert.equal(rejected, `${feature} / ${others.join(', ')}`)
  }
})

test('all of several features are needed', () => {
  const request = { features: ['chat', 'tools'] as const }
  assert.equal(
    checkInWords(featuresGate, request, { offer: { features: [] } }),
    'chat, tools / none',
  )
  assert.equal(
    checkInWords(featuresGate, request, { offer: { features: ['chat'] } }),
    'chat, tools / chat',
  )
  assert.equal(
    checkInWords(featuresGate, request, { offer: { features: ['tools', 'chat'] } }),
    'pass',
  )
  assert.equal(checkInWords(featuresGate, { features: [] }, {}), 'not asked')
})
