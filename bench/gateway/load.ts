/** The parent's end of the load process, and the requests that it sends. */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import type {
  LatencyJob,
  LatencyResult,
  ThroughputJob,
  ThroughputResult,
  WireRequest,
} from './load-process.ts'
import type { Target } from './target.ts'

export interface Load {
  latency(targets: readonly Target[], plan: LatencyPlan): Promise<LatencyResult>
  throughput(target: Target, kind: RequestKind, load: Intensity): Promise<ThroughputResult>
  close(): void
}

/** `seed`: of the order in which the targets are asked. */
export type LatencyPlan = Pick<LatencyJob, 'turns' | 'seed'>

export type RequestKind = 'answer' | 'stream'

export interface Intensity {
  readonly connections: number
  readonly durationMs: number
}

export function startLoad(): Load {
  const child = fork(join(import.meta.dirname, 'load-process.ts'))
  const ask = (job: LatencyJob | ThroughputJob) =>
    new Promise<unknown>((resolve, reject) => {
      const onExit = () => reject(new Error('the load process ended'))
      child.once('exit', onExit)
      child.once('message', (result) => {
        child.off('exit', onExit)
        resolve(result)
      })
      child.send(job)
    })
  return {
    latency: async (targets, plan) => {
      const requests = targets.map((target) => wireRequest(target, 'answer'))
      return (await ask({ kind: 'latency', requests, ...plan })) as LatencyResult
    },
    throughput: async (target, kind, load) => {
      const request = wireRequest(target, kind)
      return (await ask({ kind: 'throughput', request, ...load })) as ThroughputResult
    },
    close: () => {
      if (child.connected) child.disconnect()
    },
  }
}

/** A chat of a usual size: a system message and a question of some 300 words. */
export function chatBody(model: string, kind: RequestKind): string {
  const question = 'Which node answers this request, and why this one of them all? '.repeat(25)
  return JSON.stringify({
    model,
    messages: [
      { role: 'system', content: 'You answer briefly and to the point.' },
      { role: 'user', content: question },
    ],
    temperature: 0.7,
    max_tokens: 64,
    ...(kind === 'stream' ? { stream: true } : {}),
  })
}

function wireRequest(target: Target, kind: RequestKind): WireRequest {
  const body = chatBody(target.model, kind)
  const headers = {
    host: `127.0.0.1:${target.port}`,
    'content-type': 'application/json',
    accept: kind === 'stream' ? 'text/event-stream' : 'application/json',
    authorization: 'Bearer bench',
    ...target.headers,
    'content-length': String(Buffer.byteLength(body)),
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return {
    port: target.port,
    text: `POST /v1/chat/completions HTTP/1.1\r\n${lines.join('')}\r\n${body}`,
    ending: kind === 'stream' ? 'data: [DONE]' : '}',
  }
}
