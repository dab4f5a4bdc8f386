import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plainStyle } from '../terminal/terminal.ts'
import { renderAnnouncement } from './announcement.ts'

const network = {
  url: 'http://127.0.0.1:8080',
  apiKey: 'iso_key',
  model: 'isochrone-tiny',
  gatewayId: 'gggg',
  meshAddress: '127.0.0.1:7400',
  gatewayPid: 1,
  nodes: [],
  startedInMs: 1_234,
  emulated: true,
}

test('the line that adds a node names its place where the wide area is emulated', () => {
  const lineWith = (addedNode: string | undefined) => {
    const hints = { data: 'd', joinTokenFile: '/d/gateway/join-token', addedNode }
    const [, after = ''] = renderAnnouncement(network, hints, plainStyle).split('Add a node')
    return after.split('\n\n')[0]?.replaceAll(/ \\\n +/g, ' ')
  }
  const joining = 'node --data d --join gggg@127.0.0.1:7400 --token-file /d/gateway/join-token'
  assert.ok(lineWith(undefined)?.endsWith(joining))
  assert.ok(lineWith('/d/added-node.yaml')?.endsWith(`${joining} --config /d/added-node.yaml`))
})
