import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anyRule } from '../samples.fixture.ts'
import { checkInTier } from './sample-check.fixture.ts'
import { tierPriceGate } from './tier-price.ts'

const prices = (promptPrice: number, completionPrice: number) => ({
  offer: { promptPrice, completionPrice },
})

test('each price has its cap in a tier', () => {
  assert.equal(checkInTier(tierPriceGate, {}, prices(1e9, 1e9)), 'not asked')
  const rule = { ...anyRule, promptPriceMax: 10, completionPriceMax: 30 }
  assert.equal(checkInTier(tierPriceGate, { rule }, prices(10, 30)), 'pass')
  const rejected = checkInTier(tierPriceGate, { rule }, prices(11, 30))
  assert.equal(
    rejected,
    'at most 10 µ$ (prompt) and 30 µ$ (completion) per million tokens in the tier sample-tier / ' +
      '11 µ$ (prompt) and 30 µ$ (completion) per million tokens',
  )
  assert.notEqual(checkInTier(tierPriceGate, { rule }, prices(10, 31)), 'pass')
  const half = { ...anyRule, completionPriceMax: 30 }
  assert.equal(checkInTier(tierPriceGate, { rule: half }, prices(1e9, 30)), 'pass')
})

test('a better class may cost more', () => {
  const classes = [
    { hardwareClass: 'cpu', ...anyRule, completionPriceMax: 5 },
    { hardwareClass: 'gpu', ...anyRule, completionPriceMax: 50 },
  ]
  const gpu = { ...prices(0, 50), hardwareClass: 'gpu' }
  assert.equal(checkInTier(tierPriceGate, { classes }, gpu), 'pass')
  const cpu = checkInTier(tierPriceGate, { classes }, { ...gpu, hardwareClass: 'cpu' })
  assert.match(cpu, /^cpu: at most 5 µ\$ \(completion\); gpu: at most 50 µ\$ \(completion\) per/)
})
