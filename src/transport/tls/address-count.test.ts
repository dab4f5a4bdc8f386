import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AddressCount, networkOf } from './address-count.ts'

test('an address has as many as it may, whatever others have', () => {
  const count = new AddressCount(2)
  assert.deepEqual(
    ['10.0.0.1', '10.0.0.1', '10.0.0.1', '10.0.0.2'].map((address) => count.enter(address)),
    [true, true, false, true],
  )
  count.leave('10.0.0.1')
  assert.equal(count.enter('10.0.0.1'), true)
  for (const address of ['10.0.0.1', '10.0.0.1', '10.0.0.2']) count.leave(address)
  assert.equal(count.size, 0)
})

test('IPv6 counts by /64, and IPv4 inside of it as itself', () => {
  assert.equal(networkOf('127.0.0.1'), '127.0.0.1')
  assert.equal(networkOf('::ffff:10.1.2.3'), '10.1.2.3')
  assert.equal(networkOf('::1'), '0:0:0:0')
  assert.equal(networkOf('2001:db8::1'), '2001:db8:0:0')
  assert.equal(networkOf('2001:db8::ffff:1:2:3'), '2001:db8:0:0')
  assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2')
  assert.equal(networkOf('2001:db8:1:2::'), '2001:db8:1:2')
  assert.notEqual(networkOf('2001:db8:0:1::1'), networkOf('2001:db8:0:2::1'))
})
