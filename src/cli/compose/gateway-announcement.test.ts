import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plainStyle } from '../terminal/terminal.ts'
import { renderReadyGateway } from './gateway-announcement.ts'

const ready = {
  url: 'http://127.0.0.1:8080',
  meshAddress: '127.0.0.1:7400',
  joinAddress: 'gggg@127.0.0.1:7400',
  token: 'join_x',
  hasKeys: true,
  data: 'd',
}

const said = (changed: Partial<typeof ready> | { hasKeys: undefined } = {}) =>
  renderReadyGateway({ ...ready, ...changed }, plainStyle)

test('it says how a node joins, and how a client gets a key', () => {
  assert.match(said(), /ISOCHRONE_TOKEN=join_x .*node \\\n {4}--join gggg@127\.0\.0\.1:7400\n/)
  assert.match(said(), /\nA key for a client\n {2}.* keys create --name my-app --data d\n\nStop/)
})

test('it says that there is no key yet', () => {
  assert.match(said({ hasKeys: false }), /\nA key for a client \(there is none yet\)\n/)
})

test('where no key is asked for, none is spoken of', () => {
  assert.doesNotMatch(said({ hasKeys: undefined }), /key/)
  assert.match(said({ hasKeys: undefined }), /7400\n\nStop with Ctrl-C\.\n$/)
})
