import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDialable, siteOf } from './member-address.ts'

test('what is no place of one machine is not dialled', () => {
  const refused = [
    '0.0.0.0:9000',
    '0.1.2.3:9000',
    '169.254.169.254:80',
    '224.0.0.1:9000',
    '255.255.255.255:9000',
    '[::]:9000',
    '[fe80::1]:9000',
    '[ff02::1]:9000',
    '[::ffff:0.0.0.0]:9000',
    '127.1:9000',
    '2130706433:9000',
    '0x7f.0x1:9000',
    '0x7f000001:9000',
    'host:0',
    'host:65536',
    'host',
    ':9000',
    'a b:9000',
    'a/b:9000',
    '-x:9000',
    '[host]:9000',
    '[127.0.0.1]:9000',
  ]
  for (const address of refused) assert.equal(isDialable(address), false, address)
})

test('names and addresses of machines are dialled', () => {
  const taken = [
    '127.0.0.1:9000',
    '10.1.2.3:1',
    '8.8.8.8:65535',
    '[::1]:9000',
    '[2001:db8::7]:9000',
    'localhost:9000',
    'node-7.example.org:9000',
    'node_7:9000',
    'place:1',
  ]
  for (const address of taken) assert.equal(isDialable(address), true, address)
})

test('addresses of one machine or one IPv6 network are one site', () => {
  assert.equal(siteOf('10.0.0.1:1'), siteOf('10.0.0.1:2'))
  assert.notEqual(siteOf('10.0.0.1:1'), siteOf('10.0.0.2:1'))
  assert.equal(siteOf('[2001:db8:1:2::7]:1'), siteOf('[2001:db8:1:2:3:4:5:6]:2'))
  assert.notEqual(siteOf('[2001:db8:1:2::7]:1'), siteOf('[2001:db8:1:3::7]:1'))
})
