/**
 * Loaded before every test file: gives all properties (fast-check) the seed of this run, so that
 * a run can be repeated and its verdict is that of the code, not of luck.
 */
import { isMainThread } from 'node:worker_threads'
import fc from 'fast-check'

const seed = Number(process.env['ISOCHRONE_TEST_SEED'])
if (isMainThread && Number.isSafeInteger(seed)) fc.configureGlobal({ seed })
