// The gateway's figures against what is to be reached.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Figures, gatewayChecks } from './gateway-checks.ts'

const way: Figures = {
  name: 'direct',
  latencyMs: 0.2,
  latencyP99Ms: 1,
  answersPerSecond: 10_000,
  streamsPerSecondAt16: 5_000,
  streamsPerSecondAt32: 5_000,
  residentMb: null,
  failed: 0,
  firstFailure: '',
}
const slow = { answersPerSecond: 500, streamsPerSecondAt16: 300, streamsPerSecondAt32: 200 }
const portkey = { ...way, ...slow, name: 'portkey', latencyMs: 2.2 }
const fast = { answersPerSecond: 2000, streamsPerSecondAt16: 900, streamsPerSecondAt32: 500 }
const alone = { ...way, ...fast, name: 'isochrone: gateway', latencyMs: 0.9, residentMb: 149 }
const withNode = { ...alone, name: 'isochrone: gateway + node', latencyMs: 1.3, failed: 2 }

test('every figure is compared with Portkey’s of the same run', () => {
  const checks = gatewayChecks([way, portkey, alone, withNode])
  const shown = checks.map(({ name, value, pass }) => [name, value, pass])
  assert.deepEqual(shown, [
    ['gateway: added latency beside Portkey’s', 0.35, true],
    ['gateway: added latency', 0.7, true],
    ['gateway: requests/s at 32 connections', 4, true],
    ['gateway: 20-chunk streams/s at 16 connections', 3, true],
    ['gateway: 20-chunk streams/s at 32 connections', 2.5, false],
    ['gateway: gateway memory', 149, true],
    ['gateway: failed requests', 0, true],
    ['gateway + node: added latency beside Portkey’s', 0.55, false],
    ['gateway + node: added latency', 1.1, false],
    ['gateway + node: requests/s at 32 connections', 4, true],
    ['gateway + node: 20-chunk streams/s at 16 connections', 3, true],
    ['gateway + node: 20-chunk streams/s at 32 connections', 2.5, false],
    ['gateway + node: gateway memory', 149, true],
    ['gateway + node: failed requests', 2, false],
  ])
})

test('what could not be measured is listed and falls short', () => {
  const checks = gatewayChecks([way, alone])
  assert.equal(checks.length, 14)
  const beside = checks.find(({ name }) => name === 'gateway: requests/s at 32 connections')
  assert.equal(beside?.value, null)
  assert.equal(beside?.pass, false)
  assert.equal(checks.find(({ name }) => name === 'gateway: added latency')?.pass, true)
})
