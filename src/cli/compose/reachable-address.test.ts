import assert from 'node:assert/strict'
import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'node:test'
import { ownHost, reachableAddress } from './reachable-address.ts'

const at = (address: string, internal = false, family = 'IPv4') =>
  ({ address, internal, family }) as NetworkInterfaceInfo

test('an address to listen at everywhere becomes one to go to; others stay', () => {
  assert.equal(reachableAddress('0.0.0.0:7400', '10.1.2.3'), '10.1.2.3:7400')
  assert.equal(reachableAddress('[::]:7400', '10.1.2.3'), '10.1.2.3:7400')
  for (const address of ['127.0.0.1:7400', '10.0.0.0:7400', '[::1]:7400']) {
    assert.equal(reachableAddress(address, '10.1.2.3'), address)
  }
})

test('others find this machine at its first outward address', () => {
  const outward = { lo: [at('127.0.0.1', true)], eth0: [at('fd00::2', false, 'IPv6')] }
  const own = { usb: [at('169.254.7.7')], gone: undefined }
  assert.equal(ownHost({ ...outward, ...own, eth1: [at('192.0.2.2')] }), '192.0.2.2')
  assert.equal(ownHost({ ...outward, ...own }), '127.0.0.1')
  assert.equal(ownHost({}), '127.0.0.1')
})
