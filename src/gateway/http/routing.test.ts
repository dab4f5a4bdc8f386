/** Which route answers, and what its address may say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IsochroneError } from '../../protocol/index.ts'
import { Query } from './query.ts'
import { idIn, type Method, type Route, RouteTable } from './route-table.ts'

const route = (method: Method, path: string): Route => ({
  method,
  path,
  document: { summary: path, tag: 'information' },
  handle() {},
})
const table = new RouteTable([
  route('GET', '/v1/things'),
  route('POST', '/v1/things'),
  route('GET', '/v1/things/:id'),
  route('POST', '/v1/things/:id/end'),
])
const byId = { path: '/v1/models/:id' }
const at = (path: string) => table.at(path).map((one) => `${one.method} ${one.path}`)

test('a path is found exactly, or by the id at its end', () => {
  assert.deepEqual(at('/v1/things'), ['GET /v1/things', 'POST /v1/things'])
  assert.deepEqual(at('/v1/things/a%2Fb'), ['GET /v1/things/:id'])
  for (const path of ['', '/', '/v1', '/v1/things/', '/v1/things/a/b', '/V1/things', '//', '*']) {
    assert.deepEqual(at(path), [], path)
  }
  assert.deepEqual(at(`/v1/things/${'x'.repeat(256)}`), ['GET /v1/things/:id'])
  assert.deepEqual(at(`/v1/things/${'x'.repeat(257)}`), [])
})

test('an id may stand before the last part', () => {
  assert.deepEqual(at('/v1/things/a%2Fb/end'), ['POST /v1/things/:id/end'])
  for (const path of [
    '/v1/things//end',
    '/v1/things/a/b/end',
    '/v1/things/end/',
    '/end',
    '/a/end',
  ]) {
    assert.deepEqual(at(path), [], path)
  }
  assert.deepEqual(at(`/v1/things/${'x'.repeat(257)}/end`), [])
  const within = { path: '/v1/things/:id/end' }
  assert.equal(idIn('/v1/things/a%2Fb/end', within), 'a/b')
  assert.equal(idIn('/v1/things/%zz/end', within), undefined)
})

test('names of an object’s prototype are no paths', () => {
  for (const path of ['__proto__', 'constructor', '/v1/__proto__/x']) assert.deepEqual(at(path), [])
})

test('an id is decoded; what is no encoding is none', () => {
  assert.equal(idIn('/v1/models/meta%2Fllama', byId), 'meta/llama')
  assert.equal(idIn('/v1/models/%E2%82%AC', byId), '€')
  assert.equal(idIn('/v1/models/%zz', byId), undefined)
  assert.equal(idIn('/v1/models/%80', byId), undefined)
})

test('a query gives what is asked for, and says what is wrong with it', () => {
  const query = new Query('/x?limit=20&format=text&a=1&a=2&word=ten&long=12345')
  assert.equal(query.number('limit'), 20)
  assert.equal(query.oneOf('format', ['json', 'text']), 'text')
  assert.equal(query.number('none'), undefined)
  assert.equal(new Query('/x').oneOf('format', ['json']), undefined)
  const refusal = (ask: () => unknown) => {
    try {
      ask()
    } catch (error) {
      assert.ok(error instanceof IsochroneError)
      return `${error.code}: ${error.message}`
    }
    return 'none'
  }
  assert.match(
    refusal(() => query.number('a')),
    /^invalid_request: 'a' is given more than once/,
  )
  assert.match(
    refusal(() => query.number('word')),
    /^invalid_request: 'word' must be a number/,
  )
  assert.match(
    refusal(() => query.number('long')),
    /^invalid_request: 'long' must be a number/,
  )
  assert.match(
    refusal(() => query.oneOf('format', ['json'])),
    /must be one of json/,
  )
})
